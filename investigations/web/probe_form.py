"""The form that places a probe: one for each kind, with the fields that kind takes and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.http import QueryDict

from investigations.lib.errors import Problem
from investigations.probes import kinds
from investigations.probes.spec import ProbeSpec

MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}
WORDS = {
    "snapshot": "Snapshot",
    "logpoint": "Log",
    "counter": "Count",
    "metric": "Metric",
    "duration": "Duration",
    "function": "Function",
    "exception": "Exception",
    "path": "Path",
    "assignment": "Assignment",
    "expectation": "Expectation",
    "dependency": "Dependency",
}
"""Each kind as the form names it, in the order it is offered."""
_OF_OPTIONS = {
    "logpoint": ("level", "pipe"),
    "duration": ("slower_than_ms",),
    "exception": ("how", "exceptions"),
    "path": ("most_steps",),
    "dependency": ("libraries",),
}
_NAMES = {
    "ttl_s": "minutes",
    "file": None,
    "line": None,
    "function": None,
    "service": None,
    "targeting": None,
}
"""Where a verb's field stands under another name, or nowhere: then what is wrong with it stands at the top."""


def _line(label: str, hint: str, help_text: str, *, required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs=MONO | {"placeholder": hint})
    return forms.CharField(
        required=required, max_length=1000, label=label, widget=widget, help_text=help_text
    )


class ProbeForm(forms.Form):
    """What to ask of a place. The names an expression may use are those the line sees."""

    kind = forms.ChoiceField(choices=list(WORDS.items()), initial="snapshot")
    attribute = _line(
        "Attribute",
        "trades.trade_request:TradeRequest.high_value",
        "As module:Class.attribute.",
        required=True,
    )
    value = _line("Value", "", "", required=True)
    template = _line("Message", "order {order.id} is {state}", "Text with {expressions}.", required=True)
    until = forms.IntegerField(
        required=False,
        min_value=1,
        label="Until line",
        help_text="A later line; without one, to the function's end.",
    )
    condition = _line("When", "amount > 10000", "Safe expression: no code of yours is ever run by it.")
    watches = forms.CharField(
        required=False, max_length=2000, label="Watch",
        widget=forms.Textarea(attrs=MONO | {"rows": 2, "placeholder": "request.high_value"}),
        help_text="One expression a line, kept with its exact type.",
    )  # fmt: skip
    slower_than_ms = forms.FloatField(
        required=False, label="Capture what takes longer (ms)", help_text="Without it only figures are kept."
    )
    how = forms.MultipleChoiceField(
        required=False, label="Those that were", choices=[(name, name) for name in kinds.HOW],
        widget=forms.CheckboxSelectMultiple, help_text="None chosen: all three.",
    )  # fmt: skip
    exceptions = _line(
        "Of types", "ValueError, app.errors.Refused", "What derives from them counts too. None: all."
    )
    most_steps = forms.IntegerField(required=False, label="At most (steps of a call)", initial=2000)
    libraries = forms.MultipleChoiceField(
        required=False, label="Through", choices=[(name, name) for name in kinds.LIBRARIES],
        widget=forms.CheckboxSelectMultiple, help_text="None chosen: all that are there.",
    )  # fmt: skip
    within = forms.BooleanField(
        required=False,
        label="Only calls made inside this function",
        help_text="Else calls of the whole process.",
    )
    level = forms.ChoiceField(required=False, choices=[(name, name) for name in kinds.LEVELS], initial="info")
    pipe = forms.BooleanField(required=False, label="Also write it to the application's own log")
    hit_limit = forms.IntegerField(min_value=1, max_value=10_000, initial=100, label="At most (captures)")
    rate = forms.FloatField(min_value=0.1, max_value=1000, initial=10, label="At most a second")
    minutes = forms.IntegerField(min_value=1, max_value=1440, initial=30, label="Ends after (minutes)")
    purpose = forms.CharField(
        required=False, max_length=500, label="Decides", help_text="What the answer will settle."
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        kind: str,
        initial: Mapping[str, Any] | None = None,
        placed: bool = True,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}) | {"kind": kind})
        self.of_kind = kind if kind in kinds.KINDS else "snapshot"
        taken = _fields_of(self.of_kind, placed=placed)
        for name in [name for name in self.fields if name not in taken]:
            del self.fields[name]
        self._word()

    def _word(self) -> None:
        """Say a field as its kind means it."""
        self.fields["kind"].help_text = kinds.KINDS[self.of_kind].use
        words: dict[str, tuple[str, str, str, str]] = {
            "metric": ("value", "Measure", "order.total", "An expression that is a number."),
            "expectation": (
                "value", "Always holds", 'type_name(amount) == "Decimal"', "True, false or unknown, each time.",
            ),
            "function": (
                "condition", "When", "@duration > 250", "May ask for @return, @exception and @duration (ms).",
            ),
            "path": ("rate", "Calls followed a second", "", "Following a call costs more than a snapshot."),
        }  # fmt: skip
        if self.of_kind in words:
            name, label, hint, help_text = words[self.of_kind]
            field = self.fields[name]
            field.label, field.help_text = label, help_text
            if hint:
                field.widget.attrs["placeholder"] = hint

    def spec(self, target: ProbeSpec) -> ProbeSpec:
        """The wish as the domain takes it; fields that are not valid keep their defaults."""
        facts = self.cleaned_data
        lines = [line.strip() for line in facts.get("watches", "").splitlines() if line.strip()]
        return replace(
            self._placed(target, facts),
            kind=self.of_kind,
            condition=facts.get("condition", ""),
            template=facts.get("template", ""),
            value=facts.get("value", ""),
            until=facts.get("until") or 0,
            watches=[{"name": line[:80], "expression": line} for line in lines],
            options=self._options(facts),
            hit_limit=facts.get("hit_limit") or 100,
            rate=facts.get("rate") or 10,
            ttl_s=(facts.get("minutes") or 30) * 60,
        )

    def _placed(self, target: ProbeSpec, facts: Mapping[str, Any]) -> ProbeSpec:
        """The place, or what stands for it: an attribute has no line, and calls out need none."""
        if self.of_kind == "assignment":
            return replace(target, file="", line=0, function="", attribute=facts.get("attribute", ""))
        if self.of_kind == "dependency" and not facts.get("within"):
            return replace(target, file="", line=0, function="")
        return target

    def _options(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: facts.get(name) for name in _OF_OPTIONS.get(self.of_kind, ())}
        if types := given.get("exceptions"):
            given["exceptions"] = [name for name in re.split(r"[\s,]+", types) if name]
        return {name: value for name, value in given.items() if value not in (None, "", [], False)}

    def show(self, problem: Problem) -> None:
        """Put a verb's refusal beside the field it names; without one, at the top."""
        named = str(problem.alternatives.get("field", "")).removeprefix("options.").partition(".")[0]
        field = _NAMES.get(named, named)
        near = problem.alternatives.get("nearest") or problem.alternatives.get("functions")
        near = near or problem.alternatives.get("classes")
        words = " ".join(part for part in (problem.sentence, problem.fix) if part)
        self.add_error(
            field if field in self.fields else None, f"{words} {', '.join(map(str, near))}" if near else words
        )


def _fields_of(kind: str, *, placed: bool) -> set[str]:
    """What a kind's form asks. ``placed``: the form was opened at a line or function."""
    found = {"kind", "condition", "minutes", "purpose", *kinds.KINDS[kind].takes, *_OF_OPTIONS.get(kind, ())}
    if kind == "assignment":
        found.add("attribute")
    if kind == "dependency" and placed:
        found.add("within")
    if kinds.KINDS[kind].captures:
        found |= {"hit_limit", "rate"}
    return found


def kept(query: QueryDict) -> dict[str, Any]:
    """What was filled in before another kind was chosen, to be offered again."""
    many = {"how", "libraries"}
    names = [name for name in ProbeForm.base_fields if name in query and name != "kind"]
    return {name: query.getlist(name) if name in many else query[name] for name in names}
