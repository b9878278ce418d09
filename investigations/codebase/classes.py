"""A class by its name across files: where it is defined, its family, and how the text says it is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tree_sitter import Node

from investigations.codebase.source import Module, string_value, text_of, walk
from investigations.codebase.source import field as part

_MAKERS = frozenset({"dataclass", "define", "frozen", "mutable", "s", "attrs", "attributes"})
_MAKING_BASES = frozenset(
    {"BaseModel", "BaseSettings", "SQLModel", "RootModel", "NamedTuple", "TypedDict", "Struct"}
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A name in a class's body with its annotation and default, as text; empty for none."""

    name: str
    annotation: str
    default: str
    node: Node


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """One definition. ``generated``: a decorator or base writes its ``__init__`` from its declarations."""

    name: str
    module: Module
    node: Node
    bases: frozenset[str]
    generated: bool
    declarations: list[Declaration]
    parameters: list[str]
    """Of its own ``__init__``, without ``self``; empty when it has none."""


@dataclass(frozen=True, slots=True)
class Family:
    """The classes of one name, with those they inherit from and those that inherit from them, by name."""

    name: str
    own: list[ClassFacts]
    relatives: frozenset[str] = field(default_factory=frozenset)

    def has(self, name: str) -> bool:
        return name == self.name or name in self.relatives

    def mentioned_in(self, text: str) -> bool:
        """Whether a text names one of them as a whole word."""
        names = "|".join(map(re.escape, sorted({self.name, *self.relatives})))
        return re.search(rf"\b(?:{names})\b", text) is not None

    def expected_type(self, attribute: str) -> str:
        """The annotation of an attribute, as text; empty when it has none."""
        return next(
            (
                declared.annotation
                for known in self.own
                for declared in known.declarations
                if declared.name == attribute and declared.annotation
            ),
            "",
        )

    def position(self, attribute: str) -> int | None:
        """Where the attribute stands among the positional arguments that make one; None when that is not known."""
        for known in self.own:
            names = known.parameters or (
                [declared.name for declared in known.declarations] if known.generated else []
            )
            if attribute in names:
                return names.index(attribute)
        return None


def classes_in(module: Module) -> list[ClassFacts]:
    """Every class of a file, nested ones as well."""
    return [_facts(module, node) for node in walk(module.root) if node.type == "class_definition"]


def family_of(name: str, classes: Iterable[ClassFacts]) -> Family:
    """The class of that name with all its ancestors and descendants that these files define."""
    known = list(classes)
    bases: dict[str, set[str]] = {}
    for found in known:
        bases.setdefault(found.name, set()).update(found.bases)
    children: dict[str, set[str]] = {}
    for child, parents in bases.items():
        for parent in parents:
            children.setdefault(parent, set()).add(child)
    ancestors = {base for base in _reachable(name, bases) if base in bases}
    return Family(
        name,
        [found for found in known if found.name == name],
        frozenset(ancestors | _reachable(name, children)),
    )


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in edges.get(waiting.pop(), set()) - found - {start}:
            found.add(other)
            waiting.append(other)
    return found


def _facts(module: Module, node: Node) -> ClassFacts:
    bases = frozenset(_last(text_of(base)) for base in _bases(node))
    return ClassFacts(
        name=text_of(part(node, "name")),
        module=module,
        node=node,
        bases=bases,
        generated=bool(bases & _MAKING_BASES) or bool(_decorators(node) & _MAKERS),
        declarations=list(_declarations(node)),
        parameters=_init_parameters(node),
    )


def _bases(node: Node) -> list[Node]:
    written = part(node, "superclasses")
    return [base for base in written.named_children if base.type != "keyword_argument"] if written else []


def _decorators(node: Node) -> set[str]:
    parent = node.parent
    if parent is None or parent.type != "decorated_definition":
        return set()
    written = [child.named_children[0] for child in parent.named_children if child.type == "decorator"]
    called = [part(found, "function") or found if found.type == "call" else found for found in written]
    return {_last(text_of(found)) for found in called}


def _last(dotted: str) -> str:
    return dotted.split("[")[0].rsplit(".", 1)[-1].strip()


def _declarations(node: Node) -> Iterable[Declaration]:
    for statement in _body(node):
        if statement.type != "expression_statement" or not statement.named_children:
            continue
        assigned = statement.named_children[0]
        left = part(assigned, "left")
        if assigned.type == "assignment" and left is not None and left.type == "identifier":
            annotation = text_of(part(assigned, "type"))
            if not annotation.startswith(("ClassVar", "typing.ClassVar")):
                yield Declaration(text_of(left), annotation, text_of(part(assigned, "right")), assigned)


def methods_of(node: Node) -> Iterable[Node]:
    """The functions in a class's body, from inside their decorators."""
    for statement in _body(node):
        found = part(statement, "definition") if statement.type == "decorated_definition" else statement
        if found is not None and found.type == "function_definition":
            yield found


def _body(node: Node) -> list[Node]:
    body = part(node, "body")
    return body.named_children if body is not None else []


def _init_parameters(node: Node) -> list[str]:
    for method in methods_of(node):
        if text_of(part(method, "name")) == "__init__":
            return parameters_of(method)[1:]
    return []


def parameters_of(function: Node) -> list[str]:
    """The names of a function's parameters in order, star ones left out."""
    written = part(function, "parameters")
    names = [_parameter_name(child) for child in written.named_children] if written is not None else []
    return [name for name in names if name]


def _parameter_name(parameter: Node) -> str:
    if parameter.type == "identifier":
        return text_of(parameter)
    named = part(parameter, "name")
    if named is not None:
        return text_of(named)
    inside = parameter.named_children[0] if parameter.named_children else None
    return (
        text_of(inside)
        if parameter.type == "typed_parameter" and inside and inside.type == "identifier"
        else ""
    )


def annotation_of(function: Node, parameter: str) -> str:
    """The annotation of one parameter, as text; empty for none."""
    written = part(function, "parameters")
    for child in written.named_children if written is not None else []:
        if _parameter_name(child) == parameter:
            return text_of(part(child, "type"))
    return ""


def constant(module: Module, name: str) -> str | None:
    """The text that a module-level name stands for, when it is assigned once and plainly."""
    values = [
        string_value(part(found, "right"))
        for statement in module.root.named_children
        for found in statement.named_children[:1]
        if found.type == "assignment" and text_of(part(found, "left")) == name
    ]
    return values[0] if len(values) == 1 else None
