"""A variant of the example differs in names and lines, and in nothing else."""

from __future__ import annotations

import compileall
import subprocess
import sys

import pytest

from examples.trading.variant import write_variant

LARGE = {
    "id": "T-1",
    "account": "ACC-0001",
    "symbol": "ACME",
    "amount": "48200.00",
    "flags": {"large_ticket": "true"},
}


@pytest.fixture
def variant(tmp_path):
    """The file that holds the bug in a renamed and padded copy."""
    return write_variant(tmp_path / "copy", attribute="large_ticket", module="order", padding=40)


def test_the_bug_is_there_under_its_new_name(variant, module_at):
    request = module_at(variant).TradeRequest.from_payload(LARGE)
    assert request.large_ticket == "true"
    assert not request.must_clear_fraud


def test_so_is_its_fix(variant, module_at):
    fixed = variant.parent.parent / "fixed" / "trades" / "order.py"
    assert module_at(fixed).TradeRequest.from_payload(LARGE).must_clear_fraud


def test_no_file_remembers_the_old_names(variant):
    copy = variant.parent.parent
    for file in copy.rglob("*.py"):
        assert "trade_request" not in file.name
        assert "trades.trade_request" not in file.read_text()
        assert "request.high_value" not in file.read_text()
    assert compileall.compile_dir(copy, quiet=1)


def test_the_load_sends_the_new_name(variant):
    assert '{"large_ticket": "true"}' in (variant.parent.parent / "load.py").read_text()


def test_every_line_moves_down_by_the_padding(variant, example):
    def line_of(file):
        return next(n for n, line in enumerate(file.read_text().splitlines()) if "setattr(" in line)

    assert line_of(variant) >= line_of(example / "trades" / "trade_request.py") + 40


def test_without_choices_it_is_a_plain_copy(tmp_path, example):
    copy = write_variant(tmp_path / "copy")
    assert copy.read_text() == (example / "trades" / "trade_request.py").read_text()


@pytest.mark.parametrize("name", ["not a name", "class", "amount", "app"])
def test_a_name_that_would_break_the_copy_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=name):
        write_variant(tmp_path / "copy", attribute=name)
    assert not (tmp_path / "copy").exists()


def test_it_is_a_command(tmp_path, example):
    command = [sys.executable, "-m", "examples.trading.variant", "--padding", "3", "--out", tmp_path / "copy"]
    said = subprocess.run(command, cwd=example.parents[1], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(tmp_path / "copy" / "trades" / "trade_request.py")
