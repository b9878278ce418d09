"""Regular expressions in linear time: no backtracking, so no pattern and no text can hold a request up.

A pattern is read into a small non-deterministic automaton; the deterministic one is built from it while texts are
matched, one transition at a time, and kept within bounds. What needs backtracking (back references, look-around)
is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from sightline.errors import NotInLanguage

from .budget import Budget

MAX_STATES: Final = 500
MAX_KEPT: Final = 4096
_CHUNK = 256

Predicate = Callable[[str], bool]


class _State(NamedTuple):
    """One state of the non-deterministic automaton: it eats a character, or asserts a place, or forks."""

    eats: Predicate | None
    asserts: str
    to: tuple[int, ...]


class Pattern:
    """A compiled pattern. `found_in` says whether it matches anywhere; ``^`` and ``$`` anchor."""

    def __init__(self, text: str) -> None:
        self.text = text
        reader = _PatternReader(text)
        self._states, self._start, self._end = reader.states, *reader.read()
        self._kept: dict[tuple[frozenset[int], str], _Node] = {}
        self._count = 0
        self._first = self._node(frozenset({self._start}), "start")

    def found_in(self, text: str, budget: Budget | None = None) -> bool:
        """Whether ``text`` holds a match. Raises `BudgetExceeded`."""
        budget = budget or Budget()
        node, last = self._first, len(text) - 1
        for position in range(0, len(text), _CHUNK):
            budget.charge(_CHUNK >> 3)
            for at, character in enumerate(text[position : position + _CHUNK], position):
                symbol = "last line end" if at == last and character == "\n" else character
                following = node.following.get(symbol)
                if following is None:
                    following = self._step(node, symbol, budget)
                if following.matched:
                    return True
                node = following
        return self._end in self._closure(node, "end", budget)

    def _node(self, states: frozenset[int], before: str) -> _Node:
        key = (states, before)
        node = self._kept.get(key)
        if node is None:
            node = self._kept[key] = _Node(states, before)
        return node

    def _step(self, node: _Node, symbol: str, budget: Budget) -> _Node:
        character = "\n" if symbol == "last line end" else symbol
        reached = self._closure(node, symbol, budget)
        if self._end in reached:
            following = _MATCHED
        else:
            eaten = {self._start}
            for number in reached:
                eats = self._states[number].eats
                if eats is not None and eats(character):
                    eaten.update(self._states[number].to)
            self._make_room()
            following = self._node(frozenset(eaten), "word" if _is_word(character) else "other")
        node.following[symbol] = following
        return following

    def _make_room(self) -> None:
        self._count += 1
        if self._count > MAX_KEPT:
            self._kept.clear()
            self._first.following.clear()
            self._count = 0

    def _closure(self, node: _Node, symbol: str, budget: Budget) -> set[int]:
        """All states reachable from ``node`` without eating, given what stands before and what comes next."""
        reached, todo = set(node.states), list(node.states)
        while todo:
            state = self._states[todo.pop()]
            if state.eats is None and (not state.asserts or _holds(state.asserts, node.before, symbol)):
                fresh = [number for number in state.to if number not in reached]
                reached.update(fresh)
                todo += fresh
        budget.charge(len(reached))
        return reached


class _Node:
    """One state of the deterministic automaton, with the transitions met so far."""

    __slots__ = ("before", "following", "matched", "states")

    def __init__(self, states: frozenset[int], before: str, *, matched: bool = False) -> None:
        self.states = states
        self.before = before
        self.matched = matched
        self.following: dict[str, _Node] = {}


_MATCHED: Final = _Node(frozenset(), "other", matched=True)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _holds(assertion: str, before: str, symbol: str) -> bool:
    if assertion == "^":
        return before == "start"
    if assertion == "$":
        return symbol in ("end", "last line end")
    if assertion == "\\Z":
        return symbol == "end"
    boundary = (before == "word") != (len(symbol) == 1 and _is_word(symbol))
    return boundary == (assertion == "\\b")


_CATEGORIES: Final[dict[str, Predicate]] = {
    "d": str.isdecimal,
    "w": _is_word,
    "s": str.isspace,
    "D": lambda character: not character.isdecimal(),
    "W": lambda character: not _is_word(character),
    "S": lambda character: not character.isspace(),
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


class _Part(NamedTuple):
    """A piece of automaton under construction: where it begins, and the one state where it ends."""

    first: int
    last: int


class _PatternReader:
    """Recursive descent over the pattern's text, writing states as it goes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.ignore_case = False
        self.dot_all = False
        self.states: list[_State] = []

    def read(self) -> tuple[int, int]:
        self.flags()
        part = self.alternatives()
        if self.at < len(self.text):
            self.refuse("a ')' closes nothing")
        return part

    def refuse(self, why: str) -> NoReturn:
        raise NotInLanguage(f"the pattern {self.text[:60]!r}: {why} (at {self.at})", "bad_pattern")

    def add(self, eats: Predicate | None = None, asserts: str = "", to: tuple[int, ...] = ()) -> int:
        if len(self.states) >= MAX_STATES:
            self.refuse(f"it needs more than {MAX_STATES} states")
        self.states.append(_State(eats, asserts, to))
        return len(self.states) - 1

    def link(self, state: int, *to: int) -> None:
        self.states[state] = self.states[state]._replace(to=self.states[state].to + to)

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def take(self) -> str:
        character = self.peek()
        if not character:
            self.refuse("it ends too early")
        self.at += 1
        return character

    def flags(self) -> None:
        if self.peek(2) == "(?" and self.text[2:3] in ("i", "s"):
            self.at = 2
            while (flag := self.take()) != ")":
                if flag not in "is":
                    self.refuse("only the flags i and s exist")
                self.ignore_case |= flag == "i"
                self.dot_all |= flag == "s"

    def alternatives(self) -> _Part:
        self.depth += 1
        if self.depth > 30:
            self.refuse("groups are nested too deeply")
        first, last = self.add(), self.add()
        while True:
            part = self.sequence()
            self.link(first, part.first)
            self.link(part.last, last)
            if self.peek() != "|":
                break
            self.at += 1
        self.depth -= 1
        return _Part(first, last)

    def sequence(self) -> _Part:
        first = last = self.add()
        while self.peek() not in ("", "|", ")"):
            part = self.repeated()
            self.link(last, part.first)
            last = part.last
        return _Part(first, last)

    def repeated(self) -> _Part:
        start = self.at
        part = self.atom()
        bounds = self.bounds()
        if bounds is None:
            return part
        if self.peek() in ("*", "+", "{") and self.peek():
            self.refuse("a repetition cannot be repeated")
        after = self.at
        lowest, highest = bounds
        if highest is not None and (highest < lowest or highest > MAX_STATES):
            self.refuse("a repetition has sensible bounds")
        part = self.repeat(part, start, lowest, highest)
        self.at = after
        return part

    def repeat(self, part: _Part, start: int, lowest: int, highest: int | None) -> _Part:
        """``part`` again and again: copies are read anew from ``start``, since states cannot be shared."""
        first = last = self.add()
        copies = max(lowest, 1) if highest is None else highest
        ends: list[int] = []
        for number in range(copies):
            if number:
                self.at = start
                part = self.atom()
            if number >= lowest:
                ends.append(last)
            self.link(last, part.first)
            last = part.last
        if highest is None:
            self.link(last, part.first)
        end = self.add()
        for state in {*ends, last}:
            self.link(state, end)
        return _Part(first, end)

    def bounds(self) -> tuple[int, int | None] | None:
        character = self.peek()
        if character in ("*", "+", "?") and character:
            self.at += 1
            found: tuple[int, int | None] | None = {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        else:
            found = self.counted() if character == "{" else None
        if found is not None and self.peek() == "?":
            self.at += 1  # shortest first finds the same texts
        return found

    def counted(self) -> tuple[int, int | None] | None:
        closing = self.text.find("}", self.at)
        inside = self.text[self.at + 1 : closing] if closing > 0 else ""
        low, comma, high = inside.partition(",")
        if not all(
            not part or (part.isascii() and part.isdecimal() and len(part) < 5) for part in (low, high)
        ):
            return None
        if not low and not high:
            return None
        self.at = closing + 1
        return int(low or 0), (int(high) if high else None) if comma else int(low)

    def atom(self) -> _Part:
        character = self.take()
        if character == "(":
            return self.group()
        if character in "*+?":
            self.refuse("there is nothing to repeat")
        if character in "^$":
            return self.assertion(character)
        if character == "\\" and self.peek() in ("b", "B", "A", "Z") and self.peek():
            return self.assertion({"b": "\\b", "B": "\\B", "A": "^", "Z": "\\Z"}[self.take()])
        return self.eating(self.predicate(character))

    def eating(self, eats: Predicate) -> _Part:
        last = self.add()
        return _Part(self.add(eats, to=(last,)), last)

    def assertion(self, kind: str) -> _Part:
        last = self.add()
        return _Part(self.add(asserts=kind, to=(last,)), last)

    def group(self) -> _Part:
        if self.peek() == "?":
            self.at += 1
            if self.peek(2) == "P<":
                self.at = self.text.find(">", self.at) + 1 or len(self.text)
            elif self.take() != ":":
                self.refuse(
                    "look-around, back references and flags inside have no place in a linear-time pattern"
                )
        part = self.alternatives()
        if self.peek() != ")":
            self.refuse("a '(' is never closed")
        self.at += 1
        return part

    def predicate(self, character: str) -> Predicate:
        if character == ".":
            return (lambda _: True) if self.dot_all else (lambda other: other != "\n")
        if character == "[":
            return self.character_class()
        if character == "\\":
            escaped = self.take()
            if escaped in _CATEGORIES:
                return _CATEGORIES[escaped]
            character = self.escaped(escaped)
        return self.literal(character)

    def literal(self, character: str) -> Predicate:
        if self.ignore_case:
            return {character, character.lower(), character.upper()}.__contains__
        return character.__eq__

    def escaped(self, character: str) -> str:
        if character in ("x", "u"):
            length = 2 if character == "x" else 4
            digits = self.peek(length)
            self.at += length
            try:
                return chr(int(digits, 16))
            except ValueError:
                self.refuse(f"\\{character} is followed by {length} hexadecimal digits")
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isalnum():
            self.refuse(f"\\{character} has no place in a linear-time pattern")
        return character

    def character_class(self) -> Predicate:
        negated = self.peek() == "^"
        self.at += negated
        predicates: list[Predicate] = []
        while self.peek() != "]" or not predicates:
            predicates.append(self.class_member())
        self.at += 1
        return lambda other: any(accepts(other) for accepts in predicates) != negated

    def class_member(self) -> Predicate:
        low = self.take()
        if low == "\\":
            escaped = self.take()
            if escaped in _CATEGORIES:
                return _CATEGORIES[escaped]
            low = "\b" if escaped == "b" else self.escaped(escaped)
        if self.peek() != "-" or self.peek(2) in ("-]", "-"):
            return self.literal(low)
        self.at += 1
        high = self.take()
        if high == "\\":
            high = self.escaped(self.take())
        if high < low:
            self.refuse("a range runs upwards")
        return self.range(low, high)

    def range(self, low: str, high: str) -> Predicate:
        if self.ignore_case:
            return lambda other: any(low <= form <= high for form in (other, other.lower(), other.upper()))
        return lambda other: low <= other <= high
