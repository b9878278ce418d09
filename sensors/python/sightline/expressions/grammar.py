"""From text to the checked tree, and the check every tree passes again wherever it comes from.

The tree is nested lists that JSON and MessagePack can carry; `sensors/expressions.md` describes each node. The
text is a subset of Python read by Python's own parser, so that precedence and literals are what people expect;
whatever has no node is refused here, by name and column, before anything could run.
"""

from __future__ import annotations

import ast
import keyword
import math
from typing import Any, Final, NoReturn

from sightline import wire
from sightline.errors import ExpressionError, NotInLanguage

Tree = list[Any]

MAX_TEXT: Final = 4096
MAX_NODES: Final = 1000
MAX_DEPTH: Final = 40
MAX_INT_BITS: Final = 4096

FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    "len": (1, 1), "min": (1, 8), "max": (1, 8), "sum": (1, 1), "abs": (1, 1), "round": (1, 2),
    "any": (1, 1), "all": (1, 1), "type_name": (1, 1), "is_none": (1, 1),
    "startswith": (2, 2), "endswith": (2, 2), "contains": (2, 2), "matches": (2, 2),
    "lower": (1, 1), "upper": (1, 1), "strip": (1, 1),
    "keys": (1, 1), "values": (1, 1), "items": (1, 1), "get": (2, 3),
    "str": (1, 1), "int": (1, 1), "float": (1, 1), "bool": (1, 1),
}  # fmt: skip
"""Each function of the language with the fewest and the most arguments it takes."""
METHODS: Final = frozenset(
    {"startswith", "endswith", "lower", "upper", "strip", "keys", "values", "items", "get"}
)
"""Functions that may also be written after a dot: ``name.startswith("a")``."""
QUANTIFIERS: Final = frozenset({"any", "all", "sum", "min", "max"})
"""Functions that take ``expression for name in iterable if condition``."""
CALL_NAMES: Final = frozenset({"@return", "@exception", "@duration"})
"""What a call came to: function probes only."""
CONTEXT_NAMES: Final = frozenset(
    {"@route", "@method", "@task", "@tenant", "@trace_id", "@execution_id", "@thread"}
)
"""The request, task, trace and thread around a hit: every kind; None where there is no such thing."""
SPECIAL_NAMES: Final = CALL_NAMES | CONTEXT_NAMES

COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"})
ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>"})
UNARY: Final = frozenset({"not", "neg", "pos", "inv"})
DISPLAYS: Final = frozenset({"list", "tuple", "set"})

_AT = "\u01c3"
"""A letter that stands for ``@`` while Python's parser reads ``@return``: one character too, so columns stay right."""


# ---------------------------------------------------------------- text to tree


def parse(text: str) -> wire.Expression:
    """Read one expression. Raises `NotInLanguage` with the column of what is not understood."""
    tree = check(_Reader(text).read())
    return wire.Expression(text=text, tree=tree)


def parse_template(text: str) -> list[str | wire.Expression]:
    """Read ``order {order.id} took {t:.2f}`` into literal text and expressions in turn; ``{{`` and ``}}`` are
    braces.
    """
    parts: list[str | wire.Expression] = []
    literal, position = "", 0
    while position < len(text):
        character = text[position]
        if text[position : position + 2] in ("{{", "}}"):
            literal, position = literal + character, position + 2
        elif character == "}":
            raise NotInLanguage("a single '}' closes nothing; write '}}' for a brace", "syntax", position)
        elif character == "{":
            field, position = _field_at(text, position)
            parts += [literal, field] if literal else [field]
            literal = ""
        else:
            literal, position = literal + character, position + 1
    return [*parts, literal] if literal else parts


def _field_at(text: str, opening: int) -> tuple[wire.Expression, int]:
    """The expression between the brace at ``opening`` and its partner, and the position behind that."""
    end = _field_end(text, opening + 1)
    expression = text[opening + 1 : end]
    conversion = spec = ""
    if text[end] == "!":
        conversion, end = text[end + 1 : end + 2], end + 2
        if conversion not in ("r", "s") or text[end : end + 1] not in (":", "}"):
            raise NotInLanguage("after '!' comes 'r' or 's'", "syntax", end - 1)
    if text[end] == ":":
        closing = text.find("}", end)
        if closing < 0:
            raise NotInLanguage("this '{' is never closed", "syntax", opening)
        spec, end = text[end + 1 : closing], closing
    try:
        tree = _Reader(expression).read()
        tree = check(["format", tree, conversion, spec] if conversion or spec else tree)
    except ExpressionError as error:
        column = opening + 1 + max(error.column, 0)
        raise NotInLanguage(error.sentence, error.slug, column) from None
    return wire.Expression(text=text[opening + 1 : end], tree=tree), end + 1


def _field_end(text: str, start: int) -> int:
    """Where the expression from ``start`` ends: at ``}``, ``:`` or a conversion outside brackets and strings."""
    depth, position, quote = 0, start, ""
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif depth and character in ")]}":
            depth -= 1
        elif not depth and (
            character in "}:" or (character == "!" and text[position + 1 : position + 2] != "=")
        ):
            return position
        position += 1
    raise NotInLanguage("this '{' is never closed", "syntax", start - 1)


class _Reader:
    """Turns Python's syntax tree into ours, refusing what has no place in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Tree:
        try:
            return self.convert(self._parsed().body)
        except RecursionError:
            self.refuse("the expression is nested too deeply", "too_large")

    def _parsed(self) -> ast.Expression:
        if len(self.text) > MAX_TEXT:
            self.refuse(f"the expression is longer than {MAX_TEXT} characters", "too_large")
        if _AT in self.text:
            self.refuse(
                f"the character {_AT!r} has no place in an expression", "syntax", at=self.text.index(_AT)
            )
        if not self.text.strip():
            self.refuse("there is no expression", "syntax", at=0)
        self.lead = len(self.text) - len(self.text.lstrip())
        source = _without_line_ends(_hide_special_names(self.text.strip()))
        self.source = source.encode("utf-8", "surrogatepass")
        try:
            return ast.parse(source, mode="eval")
        except SyntaxError as error:
            self.refuse(f"{error.msg}", "syntax", at=self.lead + max((error.offset or 1) - 1, 0))
        except (ValueError, MemoryError, RecursionError) as error:
            self.refuse(f"the expression cannot be read: {error}", "syntax", at=0)

    def refuse(self, sentence: str, slug: str = "", node: ast.AST | None = None, at: int = -1) -> NoReturn:
        offset = getattr(node, "col_offset", None)
        if offset is not None:
            at = self.lead + len(self.source[:offset].decode("utf-8", "replace"))
        raise NotInLanguage(sentence, slug, at)

    def convert(self, node: ast.expr) -> Tree:
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            self.refuse(f"{_REFUSED.get(type(node), 'this')} has no place in an expression", node=node)
        return method(node)  # type: ignore[no-any-return]

    def _Constant(self, node: ast.Constant) -> Tree:  # noqa: N802
        value = node.value
        kind = type(value)
        if kind is bytes:
            return ["bytes", value.decode("latin-1")]  # type: ignore[union-attr]
        if kind is int and not -(2**63) <= value < 2**63:  # type: ignore[operator]
            if value.bit_length() > MAX_INT_BITS:  # type: ignore[union-attr]
                self.refuse("the number is too large", "too_large", node)
            return ["int", str(value)]
        if kind in (type(None), bool, int, float, str):
            return ["const", value]
        self.refuse(f"a constant of type {kind.__name__} has no place in an expression", node=node)

    def _Name(self, node: ast.Name) -> Tree:  # noqa: N802
        name = node.id
        if name.startswith(_AT):
            name = "@" + name[1:]
            if name not in SPECIAL_NAMES:
                self.refuse(f"{name} is not one of {', '.join(sorted(SPECIAL_NAMES))}", "unknown_name", node)
        return ["name", name]

    def _Attribute(self, node: ast.Attribute) -> Tree:  # noqa: N802
        return ["attr", self.convert(node.value), node.attr]

    def _Subscript(self, node: ast.Subscript) -> Tree:  # noqa: N802
        value, key = self.convert(node.value), node.slice
        if not isinstance(key, ast.Slice):
            return ["item", value, self.convert(key)]
        bounds = (key.lower, key.upper, key.step)
        return ["slice", value, *(None if bound is None else self.convert(bound) for bound in bounds)]

    def _UnaryOp(self, node: ast.UnaryOp) -> Tree:  # noqa: N802
        operand = self.convert(node.operand)
        name = _UNARY[type(node.op)]
        if name == "neg" and operand[0] in ("const", "int") and type(node.operand) is ast.Constant:
            return _negated(operand)
        return [name, operand]

    def _BinOp(self, node: ast.BinOp) -> Tree:  # noqa: N802
        name = _BINARY.get(type(node.op))
        if name is None:
            self.refuse("'@' between values has no place in an expression", node=node)
        return ["arith", name, self.convert(node.left), self.convert(node.right)]

    def _BoolOp(self, node: ast.BoolOp) -> Tree:  # noqa: N802
        return ["and" if isinstance(node.op, ast.And) else "or", *map(self.convert, node.values)]

    def _IfExp(self, node: ast.IfExp) -> Tree:  # noqa: N802
        return ["if", self.convert(node.test), self.convert(node.body), self.convert(node.orelse)]

    def _Compare(self, node: ast.Compare) -> Tree:  # noqa: N802
        tree = ["compare", self.convert(node.left)]
        operands = [node.left, *node.comparators]
        for position, (op, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
            name = _COMPARE[type(op)]
            if name in ("is", "is not") and not _may_be_identical(operands[position : position + 2]):
                self.refuse(f"'{name}' compares identity; use '==' with a literal", node=right)
            tree += [name, self.convert(right)]
        return tree

    def _List(self, node: ast.List) -> Tree:  # noqa: N802
        return ["list", *map(self.convert, node.elts)]

    def _Tuple(self, node: ast.Tuple) -> Tree:  # noqa: N802
        return ["tuple", *map(self.convert, node.elts)]

    def _Set(self, node: ast.Set) -> Tree:  # noqa: N802
        return ["set", *map(self.convert, node.elts)]

    def _JoinedStr(self, node: ast.JoinedStr) -> Tree:  # noqa: N802
        return ["text", *map(self._text_part, node.values)]

    def _text_part(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        assert isinstance(node, ast.FormattedValue)
        conversion = "" if node.conversion == -1 else chr(node.conversion)
        spec = ""
        if node.format_spec is not None:
            assert isinstance(node.format_spec, ast.JoinedStr)
            for part in node.format_spec.values:
                if not isinstance(part, ast.Constant):
                    self.refuse("a format specification is fixed text", node=node)
                spec += part.value  # type: ignore[operator]
        return ["format", self.convert(node.value), conversion, spec]

    def _Call(self, node: ast.Call) -> Tree:  # noqa: N802
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse("functions here take plain arguments only", node=node)
        function, arguments = node.func, node.args
        if isinstance(function, ast.Attribute) and function.attr in METHODS:
            return ["call", function.attr, self.convert(function.value), *map(self.convert, arguments)]
        if not isinstance(function, ast.Name) or function.id not in FUNCTIONS:
            name = ast.unparse(function)[:60]
            known = ", ".join(sorted(FUNCTIONS))
            self.refuse(f"{name}() would run code; the functions here are {known}", "would_run_code", node)
        if len(arguments) == 1 and isinstance(arguments[0], (ast.GeneratorExp, ast.ListComp)):
            return self._quantifier(function.id, arguments[0])
        return ["call", function.id, *map(self.convert, arguments)]

    def _quantifier(self, name: str, node: ast.GeneratorExp | ast.ListComp) -> Tree:
        if name not in QUANTIFIERS or len(node.generators) != 1 or node.generators[0].is_async:
            self.refuse(f"one 'for' inside {', '.join(sorted(QUANTIFIERS))} is all there is", node=node)
        loop = node.generators[0]
        targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if len(names) != len(targets):
            self.refuse("the names after 'for' are plain names", node=loop.target)
        bound: Any = names if isinstance(loop.target, ast.Tuple) else names[0]
        conditions = list(map(self.convert, loop.ifs))
        return [name, bound, self.convert(loop.iter), conditions, self.convert(node.elt)]


_UNARY: Final[dict[type, str]] = {ast.Not: "not", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "inv"}
_BINARY: Final[dict[type, str]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_COMPARE: Final[dict[type, str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
_REFUSED: Final[dict[type, str]] = {
    ast.Lambda: "a lambda", ast.NamedExpr: "an assignment (':=')", ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension", ast.DictComp: "a comprehension", ast.GeneratorExp: "a generator outside any/all",
    ast.Await: "await", ast.Yield: "yield", ast.YieldFrom: "yield", ast.Dict: "a dict", ast.Starred: "a '*'",
}  # fmt: skip


def _may_be_identical(operands: list[ast.expr]) -> bool:
    return all(not isinstance(side, ast.Constant) or side.value in (None, True, False) for side in operands)


def _negated(tree: Tree) -> Tree:
    kind, value = tree
    if kind == "int":
        negative = -int(value)
        return ["const", negative] if negative == -(2**63) else ["int", str(negative)]
    return ["const", -value] if type(value) in (int, float) else ["neg", tree]


def _without_line_ends(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def _hide_special_names(text: str) -> str:
    """``@return`` with the `_AT` letter for ``@``, except inside strings."""
    out, quote, skip = [], "", False
    for position, character in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "@" and text[position + 1 : position + 2].isalpha():
            character = _AT
        out.append(character)
    return "".join(out)


# ---------------------------------------------------------------- the check


def check(tree: object) -> Tree:
    """The tree, if it is of the language; raises `NotInLanguage`. Trees come over a wire: nothing is taken for
    granted.
    """
    return _Checker().node(tree, 0)


def _refuse(sentence: str, slug: str = "") -> NoReturn:
    raise NotInLanguage(sentence, slug)


class _Checker:
    """Rebuilds a tree node by node, counting nodes and depth."""

    def __init__(self) -> None:
        self.left = MAX_NODES

    def node(self, tree: object, depth: int) -> Tree:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            _refuse(f"an expression has at most {MAX_NODES} parts and {MAX_DEPTH} levels", "too_large")
        if not isinstance(tree, (list, tuple)) or not tree or type(tree[0]) is not str:
            _refuse("a node is a list that begins with its kind")
        kind, *rest = tree
        shape = _SHAPES.get(kind)
        if shape is None:
            _refuse(f"there is no node of kind {kind[:40]!r}")
        rebuilt: Tree = [kind, *getattr(self, shape)(kind, rest, depth + 1)]
        return rebuilt

    def nodes(self, trees: list[object], depth: int) -> list[Tree]:
        return [self.node(tree, depth) for tree in trees]

    def arity(self, kind: str, rest: list[Any], fewest: int, most: int = MAX_NODES) -> None:
        if not fewest <= len(rest) <= most:
            _refuse(f"{kind} cannot have {len(rest)} parts", "wrong_arguments")

    def constant(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 1, 1)
        (value,) = rest
        accepted = {"const": (type(None), bool, int, float, str), "int": (str,), "bytes": (str,)}[kind]
        if type(value) not in accepted:
            _refuse(f"{kind} cannot hold a {type(value).__name__}")
        if type(value) is str:
            _check_text(kind, value)
        if type(value) is float and not math.isfinite(value):
            _refuse("a number in an expression is finite")
        if type(value) is int and value.bit_length() > 64:
            _refuse("a number beyond 64 bits is an 'int' node")
        return rest

    def name(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 1, 1)
        if type(rest[0]) is not str or rest[0] not in SPECIAL_NAMES:
            _check_identifier(rest[0])
        return rest

    def attr(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 2, 2)
        _check_identifier(rest[1])
        return [self.node(rest[0], depth), rest[1]]

    def fixed(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        count = {"item": 2, "if": 3}.get(kind, 1)
        self.arity(kind, rest, count, count)
        return self.nodes(rest, depth)

    def slice(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 4, 4)
        return [
            self.node(rest[0], depth),
            *(None if part is None else self.node(part, depth) for part in rest[1:]),
        ]

    def several(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 2 if kind in ("and", "or") else 0)
        return self.nodes(rest, depth)

    def compare(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        if len(rest) < 3 or not len(rest) % 2:
            _refuse("compare is an operand, then an operator and an operand in turn")
        for op in rest[1::2]:
            if type(op) is not str or op not in COMPARISONS:
                _refuse("compare knows no such operator")
        return [part if at % 2 else self.node(part, depth) for at, part in enumerate(rest)]

    def arith(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 3, 3)
        if type(rest[0]) is not str or rest[0] not in ARITHMETIC:
            _refuse("arith knows no such operator")
        return [rest[0], *self.nodes(rest[1:], depth)]

    def call(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 1)
        name, *arguments = rest
        limits = FUNCTIONS.get(name) if type(name) is str else None
        if limits is None:
            _refuse("there is no such function", "would_run_code")
        self.arity(f"{name}()", arguments, *limits)
        trees = self.nodes(arguments, depth)
        if name == "matches" and (trees[1][0] != "const" or type(trees[1][1]) is not str):
            _refuse("the pattern of matches() is a fixed text")
        return [name, *trees]

    def quantifier(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 4, 4)
        names, iterable, conditions, value = rest
        unpacked = isinstance(names, (list, tuple))
        for name in names if unpacked else [names]:
            _check_identifier(name)
        if (unpacked and not 1 <= len(names) <= 8) or not isinstance(conditions, (list, tuple)):
            _refuse(f"{kind} has between one and eight names, and a list of conditions")
        trees = self.nodes(list(conditions), depth)
        return [
            list(names) if unpacked else names,
            self.node(iterable, depth),
            trees,
            self.node(value, depth),
        ]

    def text(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        return [_check_text(kind, part) if type(part) is str else self.node(part, depth) for part in rest]

    def format(self, kind: str, rest: list[Any], depth: int) -> list[Any]:
        self.arity(kind, rest, 3, 3)
        tree, conversion, spec = rest
        if conversion not in ("", "r", "s", "a"):
            _refuse("a conversion is 'r' or 's'")
        if type(spec) is not str or len(spec) > 20:
            _refuse("a format specification has at most 20 characters")
        return [self.node(tree, depth), conversion, spec]


_SHAPES: Final[dict[str, str]] = {
    **dict.fromkeys(("const", "int", "bytes"), "constant"),
    **dict.fromkeys(("item", "if", *UNARY), "fixed"),
    **dict.fromkeys(("and", "or", *DISPLAYS), "several"),
    **dict.fromkeys(QUANTIFIERS, "quantifier"),
    **{kind: kind for kind in ("name", "attr", "slice", "compare", "arith", "call", "text", "format")},
}


def _check_identifier(name: object) -> None:
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name) or len(name) > 200:
        _refuse("a name is an identifier")


def _check_text(kind: str, text: str) -> str:
    if len(text) > MAX_TEXT or not _is_unicode(text):
        _refuse("a text is valid Unicode of at most 4096 characters")
    if kind == "int" and not (text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 1300):
        _refuse("an int node holds decimal digits")
    if kind == "bytes" and any(ord(character) > 255 for character in text):
        _refuse("a bytes node holds one character a byte")
    return text


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


# ---------------------------------------------------------------- tree to text


def path_of(tree: Tree) -> str:
    """How an error names this part: ``order.lines[0].price``, or ``the value`` when it is no plain path."""
    kind = tree[0]
    if kind == "name":
        return str(tree[1])
    if kind == "attr":
        return f"{path_of(tree[1])}.{tree[2]}"
    if kind == "item":
        key = tree[2]
        inside = repr(key[1])[:40] if key[0] == "const" else "…"
        return f"{path_of(tree[1])}[{inside}]"
    return "the value"
