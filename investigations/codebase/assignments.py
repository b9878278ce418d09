"""Where an attribute of a class is written, reflection included: the likeliest surprise first, and the blind spots."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tree_sitter import Node

from investigations.codebase import placing
from investigations.codebase.classes import (
    ClassFacts,
    Family,
    annotation_of,
    classes_in,
    family_of,
    parameters_of,
)
from investigations.codebase.placing import Suggestion
from investigations.codebase.source import (
    LARGEST,
    Module,
    enclosing_class,
    enclosing_function,
    line_of,
    qualified_name,
    scopes_of,
    text_of,
    walk,
)
from investigations.codebase.source import field as part
from investigations.codebase.writes import Kind, Write, positional, writes_in

Confidence = Literal["certain", "likely", "possible"]
Relation = Literal["is", "maybe", "other"]

MOST_POINTS = 50
LEAST_SCORE = 30
"""Below this a reflective write is only named among the blind spots."""

_REFLECTION = re.compile(r"\b(?:setattr|__setattr__|__dict__|vars)\b")
_CHECKED_NAMES = re.compile(r"__slots__|__annotations__|__dataclass_fields__|fields\(|hasattr\(|model_fields")
_PLAIN_VALUES = frozenset(
    {
        "true",
        "false",
        "none",
        "integer",
        "float",
        "string",
        "comparison_operator",
        "not_operator",
        "list",
        "tuple",
    }
)
_FROM_OUTSIDE = re.compile(r"payload|request|json|params|environ|headers|body|row|\.get\(|\[")


@dataclass(frozen=True, slots=True)
class Point:
    """One place that can write the attribute. ``exact``: the text names it; else the name is known only at run time."""

    path: str
    line: int
    function: str
    class_name: str
    kind: Kind
    exact: bool
    confidence: Confidence
    score: int
    text: str
    reason: str
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Assignments:
    """``points`` ranked, at most `MOST_POINTS` of ``total``; ``blind_spots`` say what this cannot have seen."""

    target: str
    class_name: str
    attribute: str
    points: list[Point]
    total: int
    blind_spots: list[str]
    files: int
    defined_in: list[str] = field(default_factory=list)
    expected_type: str = ""


class NotATarget(ValueError):
    """A text that names no attribute of a class."""


def find_assignments(
    files: Mapping[str, str],
    target: str,
    *,
    lines: Mapping[str, Sequence[int]] | None = None,
    unread: Sequence[str] = (),
    idle: Collection[str] = (),
) -> Assignments:
    """Every place in ``files`` (path to text) that can write ``TradeRequest.high_value``.

    ``target`` may carry a module (``trades.trade_request:TradeRequest.high_value``). ``lines`` are executable lines by
    path, where they are known; ``unread`` are files that could not be had; ``idle`` are files that no process has
    imported, whose points rank last. Raises `NotATarget`.
    """
    class_name, attribute = read_target(target)
    wanted = re.compile(rf"\b(?:{re.escape(attribute)}|{re.escape(class_name)})\b")
    big = sorted(path for path, text in files.items() if len(text) > LARGEST)
    modules = [
        Module(path, text)
        for path, text in sorted(files.items())
        if path not in big and (wanted.search(text) or _REFLECTION.search(text) or "class " in text)
    ]
    family = family_of(class_name, [found for module in modules for found in classes_in(module)])
    judged = [
        found
        for module in modules
        for found in _points(module, family, attribute, (lines or {}).get(module.path))
    ]
    points = sorted(
        (point for point in judged if point.exact or point.score >= LEAST_SCORE),
        key=lambda point: (point.path in idle, -point.score, point.path, point.line),
    )
    elsewhere = [point for point in judged if not point.exact and point.score < LEAST_SCORE]
    broken = [module.path for module in modules if module.has_errors]
    return Assignments(
        target=target,
        class_name=class_name,
        attribute=attribute,
        points=points[:MOST_POINTS],
        total=len(points),
        blind_spots=list(_blind_spots(family, attribute, elsewhere, broken, [*unread, *big])),
        files=len(files),
        defined_in=[f"{known.module.path}:{line_of(known.node)}" for known in family.own],
        expected_type=family.expected_type(attribute),
    )


def read_target(target: str) -> tuple[str, str]:
    """The class and the attribute of ``Class.attribute``, whatever module stands before it. Raises `NotATarget`."""
    dotted = target.strip().rsplit(":", 1)[-1]
    names = dotted.split(".")
    if len(names) < 2 or not all(name.isidentifier() for name in names):
        raise NotATarget(
            f"{target[:80]!r} names no attribute; write Class.attribute, as TradeRequest.high_value"
        )
    return names[-2], names[-1]


# ---------------------------------------------------------------- judging


def _points(module: Module, family: Family, attribute: str, lines: Sequence[int] | None) -> Iterator[Point]:
    for known in family.own:
        if known.module is module:
            yield from _declared(known, attribute, lines)
    for write in writes_in(module, attribute):
        judged = _judge(module, family, write, attribute)
        if judged is not None:
            relation, score, reason = judged
            suggestion = placing.suggest(module, write, attribute, family.expected_type(attribute), lines)
            yield _point(module, write, relation, score, reason, suggestion)


def _point(
    module: Module, write: Write, relation: Relation, score: int, reason: str, suggestion: Suggestion
) -> Point:
    scopes = scopes_of(write.node)
    if write.kind == "property_setter":
        scopes = [*scopes, write.node]
    around = enclosing_class(write.node)
    certain = write.exact and relation == "is"
    likely = write.exact or relation == "is"
    line = _named_on(write)
    return Point(
        path=module.path,
        line=line,
        function=qualified_name(scopes),
        class_name=text_of(part(around, "name")),
        kind=write.kind,
        exact=write.exact,
        confidence="certain" if certain else "likely" if likely else "possible",
        score=score,
        text=module.line_text(line),
        reason=reason,
        suggestion=suggestion,
    )


def _named_on(write: Write) -> int:
    """The line to show: in a call over several lines the one that names the attribute."""
    given = write.value.parent if write.value is not None and write.exact else None
    named = given is not None and given.type in ("keyword_argument", "pair")
    return line_of(given if named and given is not None else write.node)


def _declared(known: ClassFacts, attribute: str, lines: Sequence[int] | None) -> Iterator[Point]:
    """The declaration in the class's body: it runs once, at import, but says what is given when nobody writes."""
    for declared in known.declarations:
        if declared.name != attribute:
            continue
        if known.generated:
            reason = "A field: the generated __init__ writes it, where the class is called."
        else:
            reason = "A default of the class, for objects that nobody wrote it on."
        yield Point(
            path=known.module.path,
            line=line_of(declared.node),
            function=qualified_name(scopes_of(declared.node)),
            class_name=known.name,
            kind="field",
            exact=True,
            confidence="certain",
            score=15,
            text=known.module.line_text(line_of(declared.node)),
            reason=reason,
        )


def _judge(module: Module, family: Family, write: Write, attribute: str) -> tuple[Relation, int, str] | None:
    """Whose attribute is written, how much to expect of the place, and why; None when it is surely not this one."""
    if write.kind == "constructor":
        return _judge_construction(module, family, write, attribute)
    relation = _relation(family, write)
    if relation == "other":
        return None
    known = family.mentioned_in(module.text)
    if write.exact:
        score = {"is": 60, "maybe": 45 if known else 25}[relation] + _surprise(write.value)
        return relation, score, _exact_reason(write, relation, attribute)
    if relation == "is":
        score = 70 + (10 if _inside(family, write.node) else 0)
    else:
        score = (50 if _defines(module, family) else 40 if known else 10) + _alike(family, write.receiver)
    return relation, score + _reflective_habits(write.node), _reflective_reason(write, relation, attribute)


def _judge_construction(
    module: Module, family: Family, write: Write, attribute: str
) -> tuple[Relation, int, str] | None:
    """Calls of the class itself, or of its methods that make one; others merely have a keyword of that name."""
    root, _, method = write.callee.partition(".")
    own = root in ("cls", "self", "type(self)") and _inside(family, write.node)
    if not (family.has(write.callee.rsplit(".", 1)[-1]) or family.has(root) or own):
        return None
    if write.exact:
        return "is", 60 + _surprise(write.value), f"Gives {attribute} to {write.callee} by name."
    if write.value is not None:
        return "is", 62, f"Unpacks a mapping into {write.callee}, whose keys are known only when it runs."
    position = family.position(attribute)
    value = positional(write.node, position) if position is not None and not method else None
    if value is None:
        return None
    return "is", 60 + _surprise(value), f"Gives {attribute} to {write.callee} by position."


def _relation(family: Family, write: Write) -> Relation:
    """Whether the object written is one of the family, by what this function says of it."""
    function = enclosing_function(write.node)
    receiver = text_of(write.receiver)
    if write.receiver is None or receiver == _first_parameter(function):
        around = enclosing_class(write.node)
        if around is not None:
            return "is" if family.has(text_of(part(around, "name"))) else "other"
    if family.has(receiver):
        return "is"
    if write.receiver is None or write.receiver.type != "identifier" or function is None:
        return "maybe"
    annotation = annotation_of(function, receiver)
    if annotation:
        return "is" if family.mentioned_in(annotation) else "maybe"
    return _made_here(family, function, receiver)


def _first_parameter(function: Node | None) -> str:
    return next(iter(parameters_of(function)), "") if function is not None else ""


def _made_here(family: Family, function: Node, name: str) -> Relation:
    """What the function's own assignments to a name say: a call of the class, of another class, or nothing."""
    made: set[Relation] = set()
    for node in walk(function):
        if node.type != "assignment" or text_of(part(node, "left")) != name:
            continue
        annotation, value = text_of(part(node, "type")), part(node, "right")
        if annotation and family.mentioned_in(annotation):
            made.add("is")
        else:
            made.add(_called(family, node, value))
    return "is" if "is" in made else "other" if made == {"other"} else "maybe"


def _called(family: Family, node: Node, value: Node | None) -> Relation:
    """What a name is that was given the result of a call; a capital letter at the start means some other class."""
    callee = text_of(part(value, "function")) if value is not None and value.type == "call" else ""
    root, last = callee.split(".")[0], callee.rsplit(".", 1)[-1]
    if family.has(last) or family.has(root) or (callee in ("cls", "type(self)") and _inside(family, node)):
        return "is"
    return "other" if last[:1].isupper() and callee == last else "maybe"


def _inside(family: Family, node: Node) -> bool:
    around = enclosing_class(node)
    return around is not None and family.has(text_of(part(around, "name")))


def _defines(module: Module, family: Family) -> bool:
    return any(known.module is module for known in family.own)


def _alike(family: Family, receiver: Node | None) -> int:
    """A little more for a variable called after the class, as ``request`` after TradeRequest."""
    words = re.findall(r"[A-Z]+[a-z0-9]*|[a-z0-9]+", family.name)
    name = text_of(receiver).rsplit(".", 1)[-1].lower().strip("_")
    return 8 if name and name in {"_".join(words).lower(), words[-1].lower() if words else ""} else 0


def _surprise(value: Node | None) -> int:
    """Less for a value whose type is plain from the text, more for one that comes from outside."""
    if value is None:
        return 0
    if value.type in _PLAIN_VALUES:
        return -20
    return 8 if _FROM_OUTSIDE.search(text_of(value)) else 0


def _reflective_habits(node: Node) -> int:
    """More for what reads like a payload applied to an object: a loop over items, names checked against the fields."""
    score, parent = 0, node.parent
    while parent is not None and parent.type not in ("function_definition", "module"):
        if parent.type == "for_statement" and ".items()" in text_of(part(parent, "right")):
            score += 5
        if parent.type == "if_statement" and _CHECKED_NAMES.search(text_of(part(parent, "condition"))):
            score += 5
        parent = parent.parent
    return min(score, 10)


def _exact_reason(write: Write, relation: Relation, attribute: str) -> str:
    what = {
        "setattr": f"Sets {attribute} by reflection, named in the text.",
        "object_setattr": f"Sets {attribute} past the class's own __setattr__.",
        "dict": f"Writes {attribute} into the object's __dict__.",
        "init_parameter": f"Takes {attribute} from a parameter, unchecked.",
        "replace": f"Copies an object with another {attribute}.",
        "property_setter": f"Every assignment to {attribute} runs this.",
    }.get(write.kind, f"Assigns {attribute}.")
    return (
        what
        if relation == "is"
        else f"{what} Whether the object is one of this class is not sure from the text."
    )


def _reflective_reason(write: Write, relation: Relation, attribute: str) -> str:
    named = text_of(write.key)
    key = f"the name in {named}" if named else "names from a mapping"
    what = f"Sets {key}, known only when it runs: {attribute} when it says so, with a value of any type."
    return what if relation == "is" else f"{what} Whether the object is one of this class is not sure either."


# ---------------------------------------------------------------- what is not seen


def _blind_spots(
    family: Family, attribute: str, elsewhere: Sequence[Point], broken: Sequence[str], unread: Sequence[str]
) -> Iterator[str]:
    if not family.own:
        yield f"No class {family.name} is defined in the files read, so its objects are recognised by name alone."
    if elsewhere:
        yield (
            f"{len(elsewhere)} other places set attributes under names known only when they run,"
            f" on objects that may be anything: {_named([f'{point.path}:{point.line}' for point in elsewhere])}."
        )
    if unread:
        yield f"{len(unread)} files could not be read: {_named(unread)}."
    if broken:
        yield f"{len(broken)} files are not wholly understood as Python: {_named(broken)}."
    yield f"Libraries outside the service's own files may write {attribute}: serialisers, object mappers, test doubles."
    yield "Code written in C, and code made by exec or eval, writes attributes without a line to show."
    yield "Another service, or a row in a database, may hold the value before it comes here."


def _named(things: Sequence[str], most: int = 5) -> str:
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more
