"""Questions about the code that runs: answered from the interpreter, and only about what may be shown."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from sightline import testing, wire
from tests.observed import shapes, shop


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A service's folder, with an environment and a cache that are not its own source."""
    for path in (
        "orders/views.py",
        "orders/__init__.py",
        ".venv/lib/site-packages/lib.py",
        "orders/__pycache__/x.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("def view(x):\n    # why\n    return x\n")
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "pyvenv.cfg").touch()
    (tmp_path / "environment" / "site.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "orders"]:
        del sys.modules[name]


@pytest.fixture
def gateway(service: Path) -> Iterator[testing.Gateway]:
    with testing.gateway(roots=[str(service)]) as made:
        yield made


def source(gateway: testing.Gateway, path: str) -> wire.Source:
    answer = gateway.ask("source", path)
    assert isinstance(answer, wire.Source), answer
    return answer


def test_a_loaded_file_with_its_hash_lines_and_outline(gateway):
    answer = source(gateway, "observed/shop.py")
    text = Path(shop.__file__).read_bytes()
    assert (answer.text, answer.hash) == (text.decode(), sha256(text).hexdigest())
    assert answer.module == "tests.observed.shop"
    assert shop.check.__code__.co_firstlineno + 1 in answer.lines
    outline = {symbol.name: symbol for symbol in answer.outline}
    assert (outline["Order"].kind, outline["Order.total"].kind) == ("class", "function")
    assert outline["Order"].first_line < outline["Order.total"].first_line <= outline["Order"].last_line
    assert answer.loaded_differs is False


def test_the_outline_names_inner_functions_and_leaves_out_what_has_no_name(gateway):
    names = [symbol.name for symbol in source(gateway, "observed/shapes.py").outline]
    assert "make_closure.inner" in names
    assert "Thing.Inner.method" in names
    assert not [name for name in names if "<" in name]
    lines = [symbol.first_line for symbol in source(gateway, "observed/shapes.py").outline]
    assert lines == sorted(lines)


@pytest.mark.slow
def test_every_line_that_is_called_executable_can_be_armed(gateway):
    functions = {
        line
        for symbol in source(gateway, "observed/shapes.py").outline
        for line in range(symbol.first_line, symbol.last_line + 1)
    }
    refused = {}
    for line in source(gateway, "observed/shapes.py").lines:
        probe = gateway.place("counter", file="observed/shapes.py", line=line)
        status = gateway.status(probe)
        if status.state != "armed" and line in functions:
            refused[line] = status.slug
    assert set(refused.values()) <= {"already_ran"}
    assert shapes.simple(1) == 2


def test_a_file_that_is_not_imported_is_shown_too(gateway, service):
    answer = source(gateway, "orders/views.py")
    assert (answer.module, answer.lines) == ("", [1, 3])


def test_a_file_that_changed_after_it_was_loaded_is_said_to_differ(gateway, service):
    importlib.import_module("orders.views")
    assert source(gateway, "orders/views.py").loaded_differs is False
    (service / "orders" / "views.py").write_text("def view(x):\n    # why not\n    return x + 1\n")
    assert source(gateway, "orders/views.py").loaded_differs is True


def test_a_probed_file_does_not_count_as_changed(gateway, service):
    importlib.import_module("orders.views")
    gateway.place("counter", file="orders/views.py", line=3)
    assert source(gateway, "orders/views.py").loaded_differs is False


def test_a_probe_on_a_line_chosen_in_another_text_says_so(gateway, service):
    importlib.import_module("orders.views")
    probe = gateway.place("counter", file="orders/views.py", line=3, source_hash="0" * 64)
    status = gateway.status(probe)
    assert (status.state, status.slug) == ("armed", "source_differs")


def test_the_files_of_the_roots_without_environments_and_caches(gateway, service):
    importlib.import_module("orders.views")
    answer = gateway.ask("files")
    assert isinstance(answer, wire.Files)
    root = str(service.resolve())
    listed = {entry.path.removeprefix(root): entry for entry in answer.files}
    assert set(listed) == {"/orders/__init__.py", "/orders/views.py"}
    assert (listed["/orders/views.py"].module, listed["/orders/views.py"].imported) == ("orders.views", True)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "nothing.py", "", "orders", "lib.py"])
def test_nothing_else_is_ever_read(gateway, path):
    answer = gateway.ask("source", path)
    assert isinstance(answer, wire.Failure)
    assert answer.slug == "no_such_file"


def test_a_path_that_fits_several_files_is_answered_with_them(gateway, service):
    (service / "bills").mkdir()
    (service / "bills" / "views.py").touch()
    answer = gateway.ask("source", "views.py")
    assert isinstance(answer, wire.Failure)
    assert answer.slug == "ambiguous_path"


def test_a_link_out_of_the_roots_is_not_followed(gateway, service, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.py"
    outside.write_text("PASSWORD = 1\n")
    (service / "orders" / "linked.py").symlink_to(outside)
    answer = gateway.ask("source", "orders/linked.py")
    assert isinstance(answer, wire.Failure), answer


def test_a_file_in_another_encoding(gateway, service):
    (service / "orders" / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nNAME = 'é'\n".encode("latin-1"))
    assert "é" in source(gateway, "orders/latin.py").text


def test_a_file_that_does_not_compile_is_shown_without_lines(gateway, service):
    (service / "orders" / "broken.py").write_text("def (:\n")
    answer = source(gateway, "orders/broken.py")
    assert (answer.text, answer.lines, answer.outline) == ("def (:\n", [], [])


def test_the_doctor_says_what_is_in_this_process(gateway):
    answer = gateway.ask("doctor")
    assert isinstance(answer, wire.Doctor)
    assert {"engine", "connection", "neighbours", "budget", "probes"} <= set(answer.facts)
