"""Every place in a file that can write an attribute of some object, whichever object it is: the candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from tree_sitter import Node

from investigations.codebase.classes import constant, methods_of, parameters_of
from investigations.codebase.source import Module, enclosing_function, field, string_value, text_of, walk

Kind = Literal[
    "assignment",
    "augmented_assignment",
    "annotated_assignment",
    "loop_or_with_target",
    "init_parameter",
    "setattr",
    "object_setattr",
    "dict",
    "field",
    "constructor",
    "replace",
    "property_setter",
]

_PATTERNS = frozenset(
    {"pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "parenthesized_expression"}
)
_REPLACERS = frozenset({"replace", "evolve", "_replace", "__replace__", "model_copy", "copy"})
_LITERAL_COLLECTIONS = frozenset({"tuple", "list", "set", "dictionary"})


@dataclass(frozen=True, slots=True)
class Write:
    """One candidate. ``receiver``: the object written, None when it is made here; ``key`` None: the name is literal.

    ``exact``: the text says it is this attribute; else the name is known only when it runs.
    """

    node: Node
    kind: Kind
    receiver: Node | None
    value: Node | None
    exact: bool = True
    key: Node | None = None
    callee: str = ""
    """What is called to make the object; constructors only."""


def writes_in(module: Module, attribute: str) -> Iterator[Write]:
    """The candidates of a file for an attribute of that name, in order of the text."""
    for node in walk(module.root):
        if node.type == "attribute":
            yield from _targets(node, attribute)
        elif node.type == "call":
            yield from _calls(module, node, attribute)
        elif node.type in ("assignment", "augmented_assignment"):
            yield from _dict_items(module, node, attribute)
        elif node.type == "class_definition":
            yield from _setters(node, attribute)


# ---------------------------------------------------------------- plain


def _targets(node: Node, attribute: str) -> Iterator[Write]:
    """``x.name`` where something is stored in it."""
    name, receiver = text_of(field(node, "attribute")), field(node, "object")
    if name not in (attribute, "__dict__") or receiver is None:
        return
    found = _stored(node)
    if found is None:
        return
    kind, value = found
    if receiver.type in ("list_splat", "list_splat_pattern"):  # how the grammar reads ``[*x.name]``
        receiver = receiver.named_children[0]
    if name == "__dict__":
        yield Write(node, "dict", receiver, value, exact=False)
    else:
        yield Write(node, _from_parameter(node, kind, value), receiver, value)


def _stored(node: Node) -> tuple[Kind, Node | None] | None:
    """How a target is stored in, and the value when it is written beside it; None when it is only read."""
    child, parent = node, node.parent
    while parent is not None and parent.type in _PATTERNS:
        child, parent = parent, parent.parent
    if parent is None:
        return None
    value = field(parent, "right") if child is node else None
    if parent.type == "augmented_assignment" and _is(field(parent, "left"), child):
        return "augmented_assignment", value
    if parent.type == "assignment" and _is(field(parent, "left"), child):
        if field(parent, "type") is not None:
            return ("annotated_assignment", value) if value is not None else None
        return "assignment", value
    if parent.type in ("for_statement", "for_in_clause") and _is(field(parent, "left"), child):
        return "loop_or_with_target", None
    return ("loop_or_with_target", None) if parent.type == "as_pattern_target" else None


def _is(one: Node | None, other: Node) -> bool:
    return one is not None and one.id == other.id


def _from_parameter(node: Node, kind: Kind, value: Node | None) -> Kind:
    function = enclosing_function(node)
    if function is None or value is None or kind not in ("assignment", "annotated_assignment"):
        return kind
    making = text_of(field(function, "name")) in (
        "__init__",
        "__new__",
        "__post_init__",
        "__attrs_post_init__",
    )
    return "init_parameter" if making and text_of(value) in parameters_of(function) else kind


def _setters(node: Node, attribute: str) -> Iterator[Write]:
    """``@name.setter``: whatever writes the attribute comes through here."""
    for method in methods_of(node):
        parent = method.parent
        if (
            parent is None
            or parent.type != "decorated_definition"
            or text_of(field(method, "name")) != attribute
        ):
            continue
        if any(text_of(child) == f"@{attribute}.setter" for child in parent.named_children):
            yield Write(method, "property_setter", None, None)


# ---------------------------------------------------------------- reflection


def _calls(module: Module, node: Node, attribute: str) -> Iterator[Write]:
    callee = field(node, "function")
    name = (
        text_of(field(callee, "attribute"))
        if callee is not None and callee.type == "attribute"
        else text_of(callee)
    )
    if name == "setattr":
        yield from _setattr(module, node, attribute, "setattr")
    elif name == "__setattr__":
        yield from _object_setattr(module, node, attribute)
    elif name == "update" and callee is not None and _dict_owner(field(callee, "object")) is not None:
        owner = _dict_owner(field(callee, "object"))
        yield from (
            replace(found, kind="dict", receiver=owner) for found in _keywords(node, attribute, dicts=True)
        )
    elif name in _REPLACERS:
        yield from _replacements(node, callee, attribute)
    if callee is not None:
        yield from _constructions(node, callee, attribute)


def _setattr(module: Module, node: Node, attribute: str, kind: Kind) -> Iterator[Write]:
    arguments = _positional(node)
    if len(arguments) >= 2:
        value = arguments[2] if len(arguments) > 2 else None
        yield from _by_key(module, Write(node, kind, arguments[0], value), arguments[1], attribute)


def _object_setattr(module: Module, node: Node, attribute: str) -> Iterator[Write]:
    """``object.__setattr__(x, name, value)``, and ``super().__setattr__(name, value)`` with its object left out."""
    arguments = _positional(node)
    if len(arguments) == 3:
        yield from _setattr(module, node, attribute, "object_setattr")
    elif len(arguments) == 2:
        owner = field(field(node, "function"), "object")
        receiver = None if text_of(owner).startswith("super(") else owner
        yield from _by_key(
            module, Write(node, "object_setattr", receiver, arguments[1]), arguments[0], attribute
        )


def _dict_items(module: Module, node: Node, attribute: str) -> Iterator[Write]:
    """``x.__dict__[name] = value`` and ``vars(x)[name] = value``."""
    left = field(node, "left")
    if left is None or left.type != "subscript":
        return
    owner, key = _dict_owner(field(left, "value")), field(left, "subscript")
    if owner is not None and key is not None:
        yield from _by_key(module, Write(node, "dict", owner, field(node, "right")), key, attribute)


def _dict_owner(node: Node | None) -> Node | None:
    """The object whose ``__dict__`` this is."""
    if node is None:
        return None
    if node.type == "attribute" and text_of(field(node, "attribute")) == "__dict__":
        return field(node, "object")
    if node.type == "call" and text_of(field(node, "function")) == "vars":
        return next(iter(_positional(node)), None)
    return None


def _by_key(module: Module, write: Write, key: Node, attribute: str) -> Iterator[Write]:
    """The write, when its key can be the attribute."""
    names = _possible_names(module, key)
    if names is None:
        if _may_spell(key, attribute):
            yield replace(write, exact=False, key=key)
    elif attribute in names:
        yield write if len(names) == 1 else replace(write, key=key)


def _possible_names(module: Module, key: Node) -> set[str] | None:
    """The names a key can be, None when that is known only when it runs."""
    literal = string_value(key)
    if literal is not None:
        return {literal}
    if key.type != "identifier":
        return None
    looped = _looped_over(key)
    if looped is not None:
        return looped
    named = constant(module, text_of(key))
    function = enclosing_function(key)
    if named is None or (function is not None and text_of(key) in parameters_of(function)):
        return None
    return {named}


def _looped_over(key: Node) -> set[str] | None:
    """The literals that a ``for name in ("a", "b")`` round the key gives it."""
    node = key.parent
    while node is not None and node.type != "function_definition":
        if node.type == "for_statement" and text_of(field(node, "left")) == text_of(key):
            over = field(node, "right")
            if over is None or over.type not in _LITERAL_COLLECTIONS:
                return None
            values = [string_value(item) for item in over.named_children]
            return {value for value in values if value is not None} if None not in values else None
        node = node.parent
    return None


def _may_spell(key: Node, attribute: str) -> bool:
    """Whether a computed text can come out as the attribute, by the parts of it that are literal."""
    if key.type != "string":
        return True
    parts = [child for child in key.named_children if child.type in ("string_content", "interpolation")]
    first, last = parts[:1], parts[-1:]
    starts = not first or first[0].type != "string_content" or attribute.startswith(text_of(first[0]))
    ends = not last or last[0].type != "string_content" or attribute.endswith(text_of(last[0]))
    return starts and ends


# ---------------------------------------------------------------- making objects


def _replacements(node: Node, callee: Node | None, attribute: str) -> Iterator[Write]:
    """``replace(x, name=value)`` and its like; ``x.replace("a", "b")`` of a text has no keywords."""
    bound = callee is not None and callee.type == "attribute"
    arguments = _positional(node)
    receiver = arguments[0] if arguments else field(callee, "object") if bound else None
    found = list(_keywords(node, attribute, dicts=False))
    update = _keyword(node, "update")
    if update is not None and update.type == "dictionary":
        found += _dictionary(node, update, attribute)
    yield from (replace(write, kind="replace", receiver=receiver) for write in found)


def _constructions(node: Node, callee: Node, attribute: str) -> Iterator[Write]:
    """Any call that is given the attribute by keyword, by position or unpacked; whose it is is judged later."""
    name = text_of(callee)
    if text_of(field(callee, "attribute") or callee) in _REPLACERS | {"update", "setattr", "__setattr__"}:
        return
    named = list(_keywords(node, attribute, dicts=False))
    for write in named:
        yield replace(write, kind="constructor", callee=name)
    if not named and _positional(node):
        yield Write(node, "constructor", None, None, exact=False, callee=name)


def _keywords(node: Node, attribute: str, *, dicts: bool) -> Iterator[Write]:
    """The attribute among a call's keywords: by name, unpacked, or with ``dicts`` in a dictionary given first."""
    literal = _keyword(node, attribute)
    if literal is not None:
        yield Write(node, "constructor", None, literal)
        return
    arguments = field(node, "arguments")
    for child in arguments.named_children if arguments is not None else []:
        if child.type == "dictionary_splat":
            yield from _dictionary(node, child.named_children[0], attribute)
        elif dicts and child.type not in ("keyword_argument", "list_splat"):
            yield from _dictionary(node, child, attribute)


def _dictionary(node: Node, mapping: Node, attribute: str) -> Iterator[Write]:
    """A mapping given whole: exact when it is written out, else known only when it runs."""
    if mapping.type != "dictionary":
        yield Write(node, "constructor", None, mapping, exact=False)
        return
    for pair in mapping.named_children:
        if pair.type == "pair" and string_value(field(pair, "key")) == attribute:
            yield Write(node, "constructor", None, field(pair, "value"))
        elif pair.type == "dictionary_splat":
            yield Write(node, "constructor", None, pair.named_children[0], exact=False)


def _keyword(node: Node, name: str) -> Node | None:
    arguments = field(node, "arguments")
    for child in arguments.named_children if arguments is not None else []:
        if child.type == "keyword_argument" and text_of(field(child, "name")) == name:
            return field(child, "value")
    return None


def _positional(node: Node) -> list[Node]:
    """The positional arguments up to the first that is unpacked."""
    arguments = field(node, "arguments")
    found = []
    for child in (
        arguments.named_children if arguments is not None and arguments.type == "argument_list" else []
    ):
        if child.type == "list_splat":
            break
        if child.type not in ("keyword_argument", "dictionary_splat", "comment"):
            found.append(child)
    return found


def positional(node: Node, index: int) -> Node | None:
    """The argument at that position of a call, when it is written there."""
    arguments = _positional(node)
    return arguments[index] if index < len(arguments) else None
