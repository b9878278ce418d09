"""The dry run of a rule says what a sensor would do: on a sample, and on what was captured."""

from __future__ import annotations

import json

import pytest

from investigations.lib.errors import Invalid
from investigations.probes import withholding
from sightline import wire

NOTHING = wire.RedactionRules()


def on_sample(sample: object, **tried: list[str]) -> dict[str, withholding.Line]:
    text = sample if isinstance(sample, str) else json.dumps(sample)
    run = withholding.try_on_sample(text, NOTHING, wire.RedactionRules(**tried))
    return {line.path: line for line in run.lines}


class TestOnASample:
    def test_by_name(self) -> None:
        lines = on_sample({"customer_ref": "C-1", "amount": 3}, names=["customer_ref"])
        assert (lines["customer_ref"].rule, lines["customer_ref"].leaves) == ("name: customerref", "")
        assert (lines["amount"].rule, lines["amount"].leaves) == ("", "3")

    def test_by_value_also_inside_a_text(self) -> None:
        assert on_sample("paid by C-123456 today", values=[r"C-\d{6}"])["text"].new

    def test_by_path_and_what_is_inside_says_nothing(self) -> None:
        lines = on_sample({"order": {"customer": {"city": "Bern"}}}, paths=["order.customer"])
        assert lines["order.customer"].rule == "path: order.customer"
        assert "order.customer.city" not in lines

    def test_by_type(self) -> None:
        assert on_sample({"flags": {"a": True}}, types=["bool"])["flags.a"].rule == "type: bool"

    def test_what_is_withheld_without_it_is_not_new(self) -> None:
        line = on_sample({"password": "hunter2"}, names=["password"])["password"]
        assert (line.rule, line.new) == ("name: password", False)

    def test_items_of_lists_are_looked_at(self) -> None:
        run = withholding.try_on_sample(
            json.dumps({"refs": ["C-123456", "x"]}), NOTHING, wire.RedactionRules(values=[r"C-\d{6}"])
        )
        assert (run.looked_at, run.withheld, run.newly_withheld) == (2, 1, 1)

    @pytest.mark.parametrize("sample", ["[" * 5000, "{", "", '{"a": 1e999}', "\x00"])
    def test_nonsense_is_a_text(self, sample: str) -> None:
        assert withholding.try_on_sample(sample, NOTHING, NOTHING).looked_at >= 0

    def test_a_deep_one_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def too_deep(given: object) -> wire.Value:
            raise RecursionError

        monkeypatch.setattr(withholding, "_value", too_deep)
        with pytest.raises(Invalid, match="nested too deeply"):
            withholding.try_on_sample("[[]]", NOTHING, NOTHING)

    def test_a_long_one_is_refused(self) -> None:
        with pytest.raises(Invalid):
            withholding.try_on_sample("x" * (withholding.LONGEST_SAMPLE + 1), NOTHING, NOTHING)


class TestOnACapture:
    def test_variables_watches_context_and_message(self) -> None:
        order = wire.Value("shop.Order", fields={"ref": wire.Value("str", "C-123456")})
        gone = wire.Value("str", redacted="name: password")
        body = wire.Capture(
            b"i" * 16, "p", "snapshot", 1, 1, 1, message="for C-123456",
            frames=[wire.Frame("f", "f.py", 1, variables={"order": order, "password": gone})],
            watches={"ref": wire.Value("str", "C-123456")}, context={"route": "/orders"},
        )  # fmt: skip
        run = withholding.try_on_capture(body, NOTHING, wire.RedactionRules(values=[r"C-\d{6}"]))
        assert {line.path for line in run.lines if line.new} == {"order.ref", "ref", "message"}
        by_path = {line.path: line for line in run.lines}
        assert (by_path["password"].rule, by_path["password"].new) == ("name: password", False)
        assert by_path["@route"].leaves == "/orders"
