"""Small programs that are right, each with executions that pass: what `bench.mutants` breaks at one place.

None is a program of QuixBugs, on purpose: what is chosen on these is measured on those.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from bench import textbook_programs

Arguments = tuple[Any, ...]
SUMS = ("1+2", "12*3", "2*(3+4)", "7-2-1", "(1)", "10-3*2", "2*3*4", "((2+1))*5", "8", "4-(2-1)")


def _tree(chance: random.Random, depth: int = 0) -> Any:
    if depth > 3 or chance.random() < 0.3:
        return None
    return (_tree(chance, depth + 1), chance.randint(1, 5), _tree(chance, depth + 1))


def _grid(chance: random.Random, make: Callable[[int, int], int]) -> list[list[int]]:
    height, width = chance.randint(1, 4), chance.randint(1, 4)
    return [[make(y, x) for x in range(width)] for y in range(height)]


def _square(chance: random.Random) -> list[list[int]]:
    size = chance.randint(1, 3)
    return [[chance.randint(0, 9) for _ in range(size)] for _ in range(size)]


def _numbers(chance: random.Random, least: int, most: int, highest: int = 9) -> list[int]:
    return [chance.randint(0, highest) for _ in range(chance.randint(least, most))]


PROGRAMS: dict[str, tuple[str, Callable[[random.Random], Arguments]]] = {
    "run_length": (
        """
def run(text):
    pairs = []
    count = 0
    last = ''
    for sign in text:
        if sign == last:
            count += 1
        else:
            if count > 0:
                pairs.append((last, count))
            last = sign
            count = 1
    if count > 0:
        pairs.append((last, count))
    return pairs
""",
        lambda r: ("".join(r.choice("ab") for _ in range(r.randint(0, 7))),),
    ),
    "insertion_sort": (
        """
def run(items):
    found = list(items)
    for at in range(1, len(found)):
        value = found[at]
        place = at
        while place > 0 and found[place - 1] > value:
            found[place] = found[place - 1]
            place -= 1
        found[place] = value
    return found
""",
        lambda r: (_numbers(r, 0, 6),),
    ),
    "intervals": (
        """
def run(spans):
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            before = merged.pop()
            end = max(end, before[1])
            start = before[0]
        merged.append((start, end))
    total = 0
    for start, end in merged:
        total += end - start
    return (merged, total)
""",
        lambda r: ([(start, start + r.randint(0, 4)) for start in _numbers(r, 0, 5, 12)],),
    ),
    "roman": (
        """
def run(text):
    worth = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100}
    total = 0
    before = 0
    for sign in reversed(text):
        value = worth[sign]
        if value < before:
            total -= value
        else:
            total += value
        before = value
    return total
""",
        lambda r: (r.choice(["IV", "VI", "IX", "XL", "LX", "XIV", "XCIX", "C", "LXXXVIII", "XIX", "III"]),),
    ),
    "luhn": (
        """
def run(digits):
    total = 0
    double = False
    for digit in reversed(digits):
        value = digit
        if double:
            value = value * 2
            if value > 9:
                value = value - 9
        total += value
        double = not double
    return total % 10 == 0
""",
        lambda r: (r.choice([_numbers(r, 1, 6), [1, 8], [2, 6], [7, 9, 9, 2], [0], [4, 2]]),),
    ),
    "spiral": (
        """
def run(rows):
    found = []
    top, left = 0, 0
    bottom, right = len(rows) - 1, len(rows[0]) - 1
    while top <= bottom and left <= right:
        for at in range(left, right + 1):
            found.append(rows[top][at])
        top += 1
        for at in range(top, bottom + 1):
            found.append(rows[at][right])
        right -= 1
        if top <= bottom:
            for at in range(right, left - 1, -1):
                found.append(rows[bottom][at])
            bottom -= 1
        if left <= right:
            for at in range(bottom, top - 1, -1):
                found.append(rows[at][left])
            left += 1
    return found
""",
        lambda r: (_grid(r, lambda y, x: 4 * y + x),),
    ),
    "islands": (
        """
def run(grid):
    seen = set()
    count = 0
    for y in range(len(grid)):
        for x in range(len(grid[0])):
            if grid[y][x] == 1 and (y, x) not in seen:
                count += 1
                waiting = [(y, x)]
                while waiting:
                    place = waiting.pop()
                    if place in seen:
                        continue
                    seen.add(place)
                    a, b = place
                    for c, d in ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)):
                        if 0 <= c < len(grid) and 0 <= d < len(grid[0]):
                            if grid[c][d] == 1:
                                waiting.append((c, d))
    return count
""",
        lambda r: (_grid(r, lambda y, x: r.randint(0, 1)),),
    ),
    "csv": (
        """
def run(line):
    fields = []
    field = ''
    quoted = False
    for sign in line:
        if sign == '"':
            quoted = not quoted
        elif sign == ',' and not quoted:
            fields.append(field)
            field = ''
        else:
            field += sign
    fields.append(field)
    return fields
""",
        lambda r: ("".join(r.choice('ab,,"') for _ in range(r.randint(0, 8))),),
    ),
    "two_sum": (
        """
def run(items, wanted):
    seen = {}
    for at, value in enumerate(items):
        rest = wanted - value
        if rest in seen:
            return (seen[rest], at)
        seen[value] = at
    return None
""",
        lambda r: (_numbers(r, 0, 6), r.randint(0, 15)),
    ),
    "moving": (
        """
def run(items, width):
    means = []
    total = 0
    for at, value in enumerate(items):
        total += value
        if at >= width:
            total -= items[at - width]
        if at >= width - 1:
            means.append(total / width)
    return means
""",
        lambda r: (_numbers(r, 0, 7), r.randint(1, 4)),
    ),
    "calc": (
        """
def run(text):
    def atom(at):
        if text[at] == '(':
            value, at = total(at + 1)
            return value, at + 1
        start = at
        while at < len(text) and text[at].isdigit():
            at += 1
        return int(text[start:at]), at
    def product(at):
        value, at = atom(at)
        while at < len(text) and text[at] == '*':
            other, at = atom(at + 1)
            value = value * other
        return value, at
    def total(at):
        value, at = product(at)
        while at < len(text) and text[at] in '+-':
            sign = text[at]
            other, at = product(at + 1)
            if sign == '+':
                value = value + other
            else:
                value = value - other
        return value, at
    value, at = total(0)
    return value
""",
        lambda r: (r.choice(SUMS),),
    ),
    "lru": (
        """
def run(size, asked):
    order = []
    misses = 0
    for key in asked:
        if key in order:
            order.remove(key)
        else:
            misses += 1
            if len(order) >= size:
                order.pop(0)
        order.append(key)
    return (misses, order)
""",
        lambda r: (r.randint(1, 3), _numbers(r, 0, 8, 4)),
    ),
    "leap_days": (
        """
def run(year, month, day):
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if leap:
        lengths[1] = 29
    if month < 1 or month > 12:
        return None
    if day < 1 or day > lengths[month - 1]:
        return None
    return sum(lengths[:month - 1]) + day
""",
        lambda r: (
            r.choice([1900, 2000, 2023, 2024]),
            r.randint(0, 13),
            r.choice([0, 1, 15, 28, 29, 30, 31, 32]),
        ),
    ),
    "majority": (
        """
def run(votes):
    chosen = None
    lead = 0
    for vote in votes:
        if lead == 0:
            chosen = vote
            lead = 1
        elif vote == chosen:
            lead += 1
        else:
            lead -= 1
    count = 0
    for vote in votes:
        if vote == chosen:
            count += 1
    if count * 2 > len(votes):
        return chosen
    return None
""",
        lambda r: ([r.choice("aab") for _ in range(r.randint(0, 7))],),
    ),
    "binary_gap": (
        """
def run(number):
    best = 0
    gap = 0
    started = False
    while number > 0:
        bit = number % 2
        if bit == 1:
            if started and gap > best:
                best = gap
            started = True
            gap = 0
        else:
            gap += 1
        number = number // 2
    return best
""",
        lambda r: (r.randint(0, 600),),
    ),
    "rotate": (
        """
def run(rows):
    size = len(rows)
    turned = []
    for column in range(size):
        line = []
        for row in range(size - 1, -1, -1):
            line.append(rows[row][column])
        turned.append(line)
    return turned
""",
        lambda r: (_square(r),),
    ),
    "justify": (
        """
def run(words, width):
    lines = []
    line = []
    length = 0
    for word in words:
        if line and length + len(word) + len(line) > width:
            lines.append(' '.join(line))
            line = []
            length = 0
        line.append(word)
        length += len(word)
    if line:
        lines.append(' '.join(line))
    return lines
""",
        lambda r: (["x" * r.randint(1, 5) for _ in range(r.randint(0, 6))], r.randint(5, 9)),
    ),
    "deepest": (
        """
def run(tree):
    if tree is None:
        return 0
    left, value, right = tree
    a = run(left)
    b = run(right)
    if a > b:
        deepest = a
    else:
        deepest = b
    return deepest + value
""",
        lambda r: (_tree(r),),
    ),
    "permutations": (
        """
def run(items):
    if len(items) <= 1:
        return [list(items)]
    found = []
    for at in range(len(items)):
        head = items[at]
        rest = items[:at] + items[at + 1:]
        for tail in run(rest):
            found.append([head] + tail)
    return found
""",
        lambda r: (_numbers(r, 0, 4, 5),),
    ),
    **textbook_programs.PROGRAMS,
}
