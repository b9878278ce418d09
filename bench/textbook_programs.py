"""More small programs that are right, of the kinds that textbooks show: recursion, tables, trees, lists, generators.

Each has a `run` and executions that pass; `bench.small_programs` tells them together with its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Arguments = tuple[Any, ...]
WORDS = ("tea", "eat", "ten", "tan", "net", "ate", "in", "inn", "into", "a")


def _numbers(chance: random.Random, least: int, most: int, highest: int = 9) -> list[int]:
    return [chance.randint(0, highest) for _ in range(chance.randint(least, most))]


def _matrix(chance: random.Random, height: int, width: int, highest: int = 5) -> list[list[int]]:
    return [[chance.randint(0, highest) for _ in range(width)] for _ in range(height)]


def _edges(chance: random.Random, nodes: int, most: int) -> list[tuple[int, int]]:
    return [(chance.randrange(nodes), chance.randrange(nodes)) for _ in range(chance.randint(0, most))]


def _text(chance: random.Random, signs: str, least: int, most: int) -> str:
    return "".join(chance.choice(signs) for _ in range(chance.randint(least, most)))


def _products(chance: random.Random) -> Arguments:
    height, inner, width = (chance.randint(1, 3) for _ in range(3))
    return _matrix(chance, height, inner), _matrix(chance, inner, width)


PROGRAMS: dict[str, tuple[str, Callable[[random.Random], Arguments]]] = {
    "collatz": (
        """
def run(number):
    steps = 0
    highest = number
    while number != 1:
        if number % 2 == 0:
            number = number // 2
        else:
            number = 3 * number + 1
        highest = max(highest, number)
        steps += 1
    return (steps, highest)
""",
        lambda r: (r.randint(1, 12),),
    ),
    "power": (
        """
def run(base, exponent):
    if exponent == 0:
        return 1
    half = run(base, exponent // 2)
    if exponent % 2 == 0:
        return half * half
    return half * half * base
""",
        lambda r: (r.randint(0, 4), r.randint(0, 9)),
    ),
    "binomial": (
        """
def run(n, k):
    if k < 0 or k > n:
        return 0
    if k == 0 or k == n:
        return 1
    return run(n - 1, k - 1) + run(n - 1, k)
""",
        lambda r: (r.randint(0, 6), r.randint(-1, 6)),
    ),
    "memo": (
        """
def run(n):
    known = {}
    def tiles(length):
        if length < 0:
            return 0
        if length == 0:
            return 1
        if length in known:
            return known[length]
        found = tiles(length - 1) + tiles(length - 2) + tiles(length - 3)
        known[length] = found
        return found
    return tiles(n)
""",
        lambda r: (r.randint(0, 9),),
    ),
    "queens": (
        """
def run(size):
    def is_safe(columns, column):
        row = len(columns)
        for other, taken in enumerate(columns):
            if taken == column:
                return False
            if abs(taken - column) == row - other:
                return False
        return True
    def place(columns):
        if len(columns) == size:
            return 1
        count = 0
        for column in range(size):
            if is_safe(columns, column):
                count += place(columns + [column])
        return count
    return place([])
""",
        lambda r: (r.randint(0, 5),),
    ),
    "trie": (
        """
def run(words, prefix):
    root = {}
    for word in words:
        node = root
        for sign in word:
            node = node.setdefault(sign, {})
        node['end'] = True
    node = root
    for sign in prefix:
        if sign not in node:
            return []
        node = node[sign]
    def collect(node, text):
        found = []
        for key in sorted(node):
            if key == 'end':
                found.append(text)
            else:
                found.extend(collect(node[key], text + key))
        return found
    return collect(node, prefix)
""",
        lambda r: ([r.choice(WORDS) for _ in range(r.randint(0, 5))], r.choice(["", "t", "te", "in", "x"])),
    ),
    "search_tree": (
        """
class Node:
    def __init__(self, value):
        self.value = value
        self.left = None
        self.right = None
def insert(node, value):
    if node is None:
        return Node(value)
    if value < node.value:
        node.left = insert(node.left, value)
    elif value > node.value:
        node.right = insert(node.right, value)
    return node
def walk(node):
    if node is None:
        return []
    return walk(node.left) + [node.value] + walk(node.right)
def run(items):
    root = None
    for item in items:
        root = insert(root, item)
    return walk(root)
""",
        lambda r: (_numbers(r, 0, 6),),
    ),
    "tree_ends": (
        """
class Node:
    def __init__(self, value, left, right):
        self.value = value
        self.left = left
        self.right = right
def grown(low, high):
    if low > high:
        return None
    middle = (low + high) // 2
    return Node(middle, grown(low, middle - 1), grown(middle + 1, high))
def run(low, high, wanted):
    node = grown(low, high)
    steps = 0
    while node is not None:
        if node.value == wanted:
            return steps
        if wanted < node.value:
            node = node.left
        else:
            node = node.right
        steps += 1
    return -1
""",
        lambda r: (r.randint(0, 3), r.randint(2, 12), r.randint(0, 12)),
    ),
    "linked": (
        """
class Node:
    def __init__(self, value, following):
        self.value = value
        self.following = following
def run(items):
    first = None
    for item in reversed(items):
        first = Node(item, first)
    node = first
    while node is not None and node.following is not None:
        if node.value == node.following.value:
            node.following = node.following.following
        else:
            node = node.following
    found = []
    node = first
    while node is not None:
        found.append(node.value)
        node = node.following
    return found
""",
        lambda r: (sorted(_numbers(r, 0, 6, 4)),),
    ),
    "from_end": (
        """
class Node:
    def __init__(self, value, following=None):
        self.value = value
        self.following = following
def run(items, place):
    first = None
    for item in items:
        first = Node(item, first)
    ahead = first
    for step in range(place):
        if ahead is None:
            return None
        ahead = ahead.following
    behind = first
    while ahead is not None and ahead.following is not None:
        ahead = ahead.following
        behind = behind.following
    if behind is None or ahead is None:
        return None
    return behind.value
""",
        lambda r: (_numbers(r, 0, 5), r.randint(0, 4)),
    ),
    "groups": (
        """
def run(size, pairs):
    parent = list(range(size))
    def find(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node
    count = size
    for a, b in pairs:
        first = find(a)
        second = find(b)
        if first != second:
            parent[first] = second
            count -= 1
    return count
""",
        lambda r: (6, _edges(r, 6, 7)),
    ),
    "matrix_product": (
        """
def run(a, b):
    rows = []
    for y in range(len(a)):
        row = []
        for x in range(len(b[0])):
            total = 0
            for k in range(len(b)):
                total += a[y][k] * b[k][x]
            row.append(total)
        rows.append(row)
    return rows
""",
        _products,
    ),
    "horner": (
        """
def run(factors, x):
    value = 0
    slope = 0
    for factor in reversed(factors):
        slope = slope * x + value
        value = value * x + factor
    return (value, slope)
""",
        lambda r: (_numbers(r, 0, 4, 5), r.randint(0, 4)),
    ),
    "caesar": (
        """
def run(text, shift):
    found = ''
    for sign in text:
        if sign.isalpha():
            start = ord('A') if sign.isupper() else ord('a')
            place = (ord(sign) - start + shift) % 26
            found += chr(start + place)
        else:
            found += sign
    return found
""",
        lambda r: (_text(r, "azMZ -", 0, 5), r.randint(-3, 27)),
    ),
    "bubble": (
        """
def run(items):
    found = list(items)
    end = len(found)
    swapped = True
    while swapped:
        swapped = False
        for at in range(1, end):
            if found[at - 1] > found[at]:
                found[at - 1], found[at] = found[at], found[at - 1]
                swapped = True
        end -= 1
    return found
""",
        lambda r: (_numbers(r, 0, 6),),
    ),
    "selection": (
        """
def run(items):
    found = list(items)
    for at in range(len(found)):
        least = at
        for other in range(at + 1, len(found)):
            if found[other] < found[least]:
                least = other
        found[at], found[least] = found[least], found[at]
    return found
""",
        lambda r: (_numbers(r, 0, 6),),
    ),
    "heap_sort": (
        """
def sift(items, root, end):
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and items[child] < items[child + 1]:
            child += 1
        if items[root] >= items[child]:
            return
        items[root], items[child] = items[child], items[root]
        root = child
def run(items):
    found = list(items)
    for root in range(len(found) // 2 - 1, -1, -1):
        sift(found, root, len(found))
    for end in range(len(found) - 1, 0, -1):
        found[0], found[end] = found[end], found[0]
        sift(found, 0, end)
    return found
""",
        lambda r: (_numbers(r, 0, 7),),
    ),
    "peak": (
        """
def run(items):
    low = 0
    high = len(items) - 1
    while low < high:
        middle = (low + high) // 2
        if items[middle] < items[middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
""",
        lambda r: (
            r.choice([[1, 3, 5, 4, 2], [1, 2], [2, 1], [7], [1, 5, 6, 7, 3], [9, 8, 2, 1], [1, 2, 3]]),
        ),
    ),
    "cube_root": (
        """
def run(number):
    low = 0
    high = number + 1
    while high - low > 1:
        middle = (low + high) // 2
        if middle ** 3 <= number:
            low = middle
        else:
            high = middle
    return low
""",
        lambda r: (r.choice([0, 1, 7, 8, 9, 26, 27, 28, 63, 64, 100, 125]),),
    ),
    "fewest_coins": (
        """
def run(coins, wanted):
    fewest = [0]
    for amount in range(1, wanted + 1):
        best = None
        for coin in coins:
            if coin <= amount:
                before = fewest[amount - coin]
                if before is not None and (best is None or before + 1 < best):
                    best = before + 1
        fewest.append(best)
    return fewest[wanted]
""",
        lambda r: (r.choice([[1, 2, 5], [2, 5], [3, 4], [1, 3, 4]]), r.randint(0, 10)),
    ),
    "robber": (
        """
def run(houses):
    taken = 0
    left = 0
    for worth in houses:
        before = left
        left = max(left, taken)
        taken = before + worth
    return max(taken, left)
""",
        lambda r: (_numbers(r, 0, 6),),
    ),
    "palindrome_part": (
        """
def run(text):
    best = ''
    for middle in range(len(text)):
        for low, high in ((middle, middle), (middle, middle + 1)):
            while low >= 0 and high < len(text) and text[low] == text[high]:
                low -= 1
                high += 1
            part = text[low + 1:high]
            if len(part) > len(best):
                best = part
    return best
""",
        lambda r: (_text(r, "ab", 0, 6),),
    ),
    "common_start": (
        """
def run(words):
    if not words:
        return ''
    start = words[0]
    for word in words[1:]:
        length = 0
        while length < len(start) and length < len(word) and start[length] == word[length]:
            length += 1
        start = start[:length]
    return start
""",
        lambda r: ([r.choice(WORDS) for _ in range(r.randint(0, 3))],),
    ),
    "digit_root": (
        """
def run(number):
    rounds = 0
    while number >= 10:
        total = 0
        while number > 0:
            total += number % 10
            number = number // 10
        number = total
        rounds += 1
    return (number, rounds)
""",
        lambda r: (r.choice([0, 5, 10, 19, 38, 99, 123, 999, 8765]),),
    ),
    "abundant": (
        """
def run(number):
    total = 0
    part = 1
    while part * part <= number:
        if number % part == 0:
            total += part
            other = number // part
            if other != part and other != number:
                total += other
        part += 1
    if total == number:
        return 'perfect'
    return 'abundant' if total > number else 'deficient'
""",
        lambda r: (r.choice([2, 4, 6, 9, 10, 12, 18, 20, 28, 25, 36]),),
    ),
    "life": (
        """
def run(rows):
    height = len(rows)
    width = len(rows[0])
    following = []
    for y in range(height):
        line = []
        for x in range(width):
            count = 0
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if dy == 0 and dx == 0:
                        continue
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        count += rows[y + dy][x + dx]
            alive = count == 3 or (rows[y][x] == 1 and count == 2)
            line.append(1 if alive else 0)
        following.append(line)
    return following
""",
        lambda r: (_matrix(r, r.randint(1, 3), r.randint(1, 3), 1),),
    ),
    "noughts": (
        """
def run(board):
    lines = []
    for at in range(3):
        lines.append([(at, x) for x in range(3)])
        lines.append([(y, at) for y in range(3)])
    lines.append([(at, at) for at in range(3)])
    lines.append([(at, 2 - at) for at in range(3)])
    for line in lines:
        signs = set(board[y][x] for y, x in line)
        if len(signs) == 1 and '-' not in signs:
            return signs.pop()
    if any('-' in row for row in board):
        return 'open'
    return 'draw'
""",
        lambda r: (
            r.choice(
                [
                    ["xxx", "oo-", "---"],
                    ["xo-", "xo-", "x--"],
                    ["x-o", "-ox", "o-x"],
                    ["xoo", "-x-", "--x"],
                    ["xox", "xox", "oxo"],
                    ["---", "---", "---"],
                    ["ox-", "xo-", "--o"],
                    ["-ox", "-xo", "x-o"],
                ]
            ),
        ),
    ),
    "profit": (
        """
def run(prices):
    best = 0
    lowest = None
    for price in prices:
        if lowest is None or price < lowest:
            lowest = price
        elif price - lowest > best:
            best = price - lowest
    return best
""",
        lambda r: (_numbers(r, 0, 7),),
    ),
    "water": (
        """
def run(heights):
    left = 0
    right = len(heights) - 1
    wall_left = 0
    wall_right = 0
    total = 0
    while left < right:
        if heights[left] < heights[right]:
            wall_left = max(wall_left, heights[left])
            total += wall_left - heights[left]
            left += 1
        else:
            wall_right = max(wall_right, heights[right])
            total += wall_right - heights[right]
            right -= 1
    return total
""",
        lambda r: (_numbers(r, 0, 7, 4),),
    ),
    "rising_run": (
        """
def run(items):
    best = 0
    length = 0
    for at in range(len(items)):
        if at > 0 and items[at] > items[at - 1]:
            length += 1
        else:
            length = 1
        best = max(best, length)
    return best
""",
        lambda r: (_numbers(r, 0, 7),),
    ),
    "chunks": (
        """
def chunks(items, size):
    chunk = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
def run(items, size):
    return [sum(chunk) for chunk in chunks(items, size)]
""",
        lambda r: (_numbers(r, 0, 7), r.randint(1, 4)),
    ),
    "partitions": (
        """
def partitions(number, largest):
    if number == 0:
        yield []
        return
    for part in range(min(number, largest), 0, -1):
        for rest in partitions(number - part, part):
            yield [part] + rest
def run(number, largest):
    return list(partitions(number, largest))
""",
        lambda r: (r.randint(0, 5), r.randint(1, 5)),
    ),
    "gray": (
        """
def run(bits):
    if bits == 0:
        return ['']
    shorter = run(bits - 1)
    found = []
    for code in shorter:
        found.append('0' + code)
    for code in reversed(shorter):
        found.append('1' + code)
    return found
""",
        lambda r: (r.randint(0, 4),),
    ),
    "interleave": (
        """
def turns(*lists):
    waiting = [iter(each) for each in lists]
    while waiting:
        left = []
        for each in waiting:
            try:
                yield next(each)
                left.append(each)
            except StopIteration:
                pass
        waiting = left
def run(first, second, third):
    return list(turns(first, second, third))
""",
        lambda r: (_numbers(r, 0, 3), _numbers(r, 0, 3), _numbers(r, 0, 3)),
    ),
    "knight": (
        """
def run(size, start, goal):
    jumps = ((1, 2), (2, 1), (-1, 2), (-2, 1), (1, -2), (2, -1), (-1, -2), (-2, -1))
    seen = {start}
    level = [start]
    moves = 0
    while level:
        if goal in level:
            return moves
        following = []
        for y, x in level:
            for dy, dx in jumps:
                place = (y + dy, x + dx)
                if 0 <= place[0] < size and 0 <= place[1] < size and place not in seen:
                    seen.add(place)
                    following.append(place)
        level = following
        moves += 1
    return None
""",
        lambda r: (r.randint(3, 4), (r.randint(0, 2), r.randint(0, 2)), (r.randint(0, 2), r.randint(0, 2))),
    ),
    "two_colours": (
        """
def run(size, edges):
    near = {node: [] for node in range(size)}
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    colours = {}
    for start in range(size):
        if start in colours:
            continue
        colours[start] = 0
        waiting = [start]
        while waiting:
            node = waiting.pop()
            for other in near[node]:
                if other not in colours:
                    colours[other] = 1 - colours[node]
                    waiting.append(other)
                elif colours[other] == colours[node]:
                    return None
    return colours
""",
        lambda r: (5, _edges(r, 5, 4)),
    ),
    "circular": (
        """
def run(needs):
    state = {}
    def visit(name):
        if state.get(name) == 'done':
            return False
        if state.get(name) == 'open':
            return True
        state[name] = 'open'
        for other in needs.get(name, []):
            if visit(other):
                return True
        state[name] = 'done'
        return False
    return any(visit(name) for name in sorted(needs))
""",
        lambda r: ({name: [r.choice("abcd") for _ in range(r.randint(0, 2))] for name in "abc"},),
    ),
    "tax": (
        """
def run(income):
    bands = ((10, 0), (30, 20), (60, 40))
    total = 0
    lower = 0
    for upper, rate in bands:
        if income <= lower:
            break
        part = min(income, upper) - lower
        total += part * rate
        lower = upper
    if income > lower:
        total += (income - lower) * 50
    return total / 100
""",
        lambda r: (r.choice([0, 5, 10, 15, 30, 31, 45, 60, 80]),),
    ),
    "bowling": (
        """
def run(rolls):
    total = 0
    at = 0
    for frame in range(10):
        if at + 1 >= len(rolls):
            break
        if rolls[at] == 10:
            total += 10 + sum(rolls[at + 1:at + 3])
            at += 1
        elif rolls[at] + rolls[at + 1] == 10:
            total += 10 + sum(rolls[at + 2:at + 3])
            at += 2
        else:
            total += rolls[at] + rolls[at + 1]
            at += 2
    return total
""",
        lambda r: (
            r.choice([[10] * 12, [3, 4] * 10, [5, 5] * 10 + [5], _numbers(r, 0, 8, 5), [10, 3, 4, 1]]),
        ),
    ),
    "clock": (
        """
def run(start, minutes):
    hours, left = start.split(':')
    total = int(hours) * 60 + int(left) + minutes
    days = 0
    while total < 0:
        total += 1440
        days -= 1
    while total >= 1440:
        total -= 1440
        days += 1
    text = str(total // 60).zfill(2) + ':' + str(total % 60).zfill(2)
    if days != 0:
        text += ' (' + str(days) + ')'
    return text
""",
        lambda r: (
            r.choice(["00:00", "09:30", "23:59", "12:05"]),
            r.choice([0, 1, 30, 60, -10, 900, 3000, -600]),
        ),
    ),
    "two_stacks": (
        """
class Queue:
    def __init__(self):
        self.coming = []
        self.going = []
    def put(self, item):
        self.coming.append(item)
    def take(self):
        if not self.going:
            while self.coming:
                self.going.append(self.coming.pop())
        if not self.going:
            return None
        return self.going.pop()
def run(orders):
    queue = Queue()
    found = []
    for order in orders:
        if order == 0:
            found.append(queue.take())
        else:
            queue.put(order)
    return found
""",
        lambda r: (_numbers(r, 0, 8, 3),),
    ),
    "ring": (
        """
class Ring:
    def __init__(self, size):
        self.items = [None] * size
        self.start = 0
        self.count = 0
    def put(self, item):
        end = (self.start + self.count) % len(self.items)
        self.items[end] = item
        if self.count < len(self.items):
            self.count += 1
        else:
            self.start = (self.start + 1) % len(self.items)
    def kept(self):
        found = []
        for at in range(self.count):
            found.append(self.items[(self.start + at) % len(self.items)])
        return found
def run(size, items):
    ring = Ring(size)
    for item in items:
        ring.put(item)
    return ring.kept()
""",
        lambda r: (r.randint(1, 3), _numbers(r, 0, 7)),
    ),
    "look_and_say": (
        """
def run(rounds):
    text = '1'
    for turn in range(rounds):
        spoken = ''
        at = 0
        while at < len(text):
            end = at
            while end < len(text) and text[end] == text[at]:
                end += 1
            spoken += str(end - at) + text[at]
            at = end
        text = spoken
    return text
""",
        lambda r: (r.randint(0, 5),),
    ),
    "unpack": (
        """
def run(text):
    stack = []
    part = ''
    times = 0
    for sign in text:
        if sign.isdigit():
            times = times * 10 + int(sign)
        elif sign == '[':
            stack.append((part, times))
            part = ''
            times = 0
        elif sign == ']':
            before, count = stack.pop()
            part = before + part * count
        else:
            part += sign
    return part
""",
        lambda r: (r.choice(["", "ab", "2[a]", "3[a2[b]]", "x2[y]z", "10[a]", "2[a]3[b]", "2[2[c]d]"]),),
    ),
    "ackermann": (
        """
def run(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return run(m - 1, 1)
    return run(m - 1, run(m, n - 1))
""",
        lambda r: (r.randint(0, 2), r.randint(0, 2)),
    ),
    "snake_case": (
        """
def run(name):
    words = []
    word = ''
    for sign in name:
        if sign.isupper() and word:
            words.append(word)
            word = ''
        word += sign.lower()
    if word:
        words.append(word)
    return '_'.join(words)
""",
        lambda r: (_text(r, "aBcD", 0, 6),),
    ),
    "to_roman": (
        """
def run(number):
    signs = [(100, 'C'), (90, 'XC'), (50, 'L'), (40, 'XL'), (10, 'X'), (9, 'IX'), (5, 'V'), (4, 'IV'), (1, 'I')]
    text = ''
    for worth, sign in signs:
        while number >= worth:
            text += sign
            number -= worth
    return text
""",
        lambda r: (r.randint(0, 130),),
    ),
    "busiest": (
        """
def run(meetings):
    changes = []
    for start, end in meetings:
        changes.append((start, 1))
        changes.append((end, -1))
    changes.sort()
    rooms = 0
    most = 0
    for time, change in changes:
        rooms += change
        if rooms > most:
            most = rooms
    return most
""",
        lambda r: ([(start, start + r.randint(1, 4)) for start in _numbers(r, 0, 5)],),
    ),
    "find_text": (
        """
def run(text, wanted):
    borders = [0] * len(wanted)
    length = 0
    for at in range(1, len(wanted)):
        while length > 0 and wanted[at] != wanted[length]:
            length = borders[length - 1]
        if wanted[at] == wanted[length]:
            length += 1
        borders[at] = length
    found = []
    length = 0
    for at in range(len(text)):
        while length > 0 and (length == len(wanted) or text[at] != wanted[length]):
            length = borders[length - 1]
        if text[at] == wanted[length]:
            length += 1
        if length == len(wanted):
            found.append(at - length + 1)
    return found
""",
        lambda r: (_text(r, "ab", 0, 8), _text(r, "ab", 1, 3)),
    ),
    "routes": (
        """
def run(grid):
    height = len(grid)
    width = len(grid[0])
    ways = [[0] * width for y in range(height)]
    for y in range(height):
        for x in range(width):
            if grid[y][x] == 1:
                continue
            if y == 0 and x == 0:
                ways[y][x] = 1
                continue
            if y > 0:
                ways[y][x] += ways[y - 1][x]
            if x > 0:
                ways[y][x] += ways[y][x - 1]
    return ways[height - 1][width - 1]
""",
        lambda r: ([[int(r.random() < 0.15) for _ in range(r.choice([3]))] for _ in range(r.randint(1, 3))],),
    ),
    "josephus": (
        """
def run(people, step):
    circle = list(range(1, people + 1))
    at = 0
    order = []
    while circle:
        at = (at + step - 1) % len(circle)
        order.append(circle.pop(at))
    return order
""",
        lambda r: (r.randint(0, 6), r.randint(1, 4)),
    ),
    "triangle": (
        """
def run(rows):
    best = list(rows[-1])
    for y in range(len(rows) - 2, -1, -1):
        for x in range(len(rows[y])):
            best[x] = rows[y][x] + min(best[x], best[x + 1])
    return best[0]
""",
        lambda r: ([[r.randint(0, 9) for _ in range(y + 1)] for y in range(r.randint(1, 4))],),
    ),
    "running_mean": (
        """
def run(items):
    count = 0
    mean = 0
    spread = 0
    for item in items:
        count += 1
        before = item - mean
        mean += before / count
        spread += before * (item - mean)
    if count < 2:
        return (mean, 0)
    return (round(mean, 6), round(spread / (count - 1), 6))
""",
        lambda r: (_numbers(r, 0, 5),),
    ),
    "anagrams": (
        """
def run(words):
    groups = {}
    for word in words:
        key = ''.join(sorted(word))
        if key not in groups:
            groups[key] = []
        groups[key].append(word)
    found = []
    for key in groups:
        if len(groups[key]) > 1:
            found.append(sorted(groups[key]))
    return sorted(found)
""",
        lambda r: ([r.choice(WORDS) for _ in range(r.randint(0, 7))],),
    ),
    "change_dir": (
        """
def run(path, moves):
    parts = [part for part in path.split('/') if part]
    for move in moves:
        if move == '..':
            if parts:
                parts.pop()
        elif move.startswith('/'):
            parts = [part for part in move.split('/') if part]
        elif move != '.':
            parts.append(move)
    return '/' + '/'.join(parts)
""",
        lambda r: (
            r.choice(["/", "/a", "/a/b"]),
            [r.choice(["..", ".", "x", "/y/z"]) for _ in range(r.randint(0, 4))],
        ),
    ),
    "nested_sum": (
        """
def run(item, depth=1):
    if isinstance(item, int):
        return item * depth
    total = 0
    for inner in item:
        if isinstance(inner, list):
            total += run(inner, depth + 1)
        else:
            total += run(inner, depth)
    return total
""",
        lambda r: (r.choice([[], [1, 2], [1, [2]], [[3], [[4]]], [[1, 1], 2, [1, 1]], [5, [], [[]]], 7]),),
    ),
    "sparse_add": (
        """
def run(a, b):
    found = []
    i, j = 0, 0
    while i < len(a) and j < len(b):
        if a[i][0] == b[j][0]:
            total = a[i][1] + b[j][1]
            if total != 0:
                found.append((a[i][0], total))
            i += 1
            j += 1
        elif a[i][0] < b[j][0]:
            found.append(a[i])
            i += 1
        else:
            found.append(b[j])
            j += 1
    found.extend(a[i:])
    found.extend(b[j:])
    return found
""",
        lambda r: tuple([(k, r.choice([-1, 1, 2])) for k in range(5) if r.random() < 0.5] for _ in range(2)),
    ),
}
