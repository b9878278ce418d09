"""Workload functions that every contender puts its probes into.

Line numbers are found through the markers in the comments, so the file may be
edited freely as long as the markers stay on the probed lines.
"""


def hot(x, y):
    a = x + 1
    b = a * y
    c = a + b  # PROBE:hot
    return c


def other(x, y):
    a = x + 1
    b = a * y
    c = a + b  # PROBE:other
    return c


def loopy(n):
    t = 0
    if n < 0:
        t = -1  # PROBE:cold
    for i in range(n):
        t += i
        t ^= 3
    return t


class Address:
    def __init__(self, street, geo):
        self.street = street
        self.zip = "10115"
        self.geo = geo


class User:
    def __init__(self, name):
        self.name = name
        self.email = name + "@example.org"
        self.age = 41
        self.address = Address("Invalidenstr. 117", {"lat": 52.53, "lon": 13.38})
        self.roles = ["admin", "billing", "ops"]


USER = User("ada")


def leaf(user, items):
    request_id = "4f1c0b9e-7f2b-4c7e-9a51-8f6d4c1f0a77"
    count = len(items)
    ratio = 0.125
    flag = True
    missing = None
    totals = {"net": 100.5, "tax": 19.1, "by_day": {"mon": [1, 2, 3], "tue": [4, 5]}}
    label = f"checkout/{count}"
    pairs = [(1, "one"), (2, "two"), (3, "three")]
    return request_id, count, ratio, flag, missing, totals, label, pairs  # PROBE:leaf


ITEMS = [{"sku": f"A-{i}", "qty": i, "price": {"amount": i * 1.5, "cur": "EUR"}} for i in range(5)]


def descend(n):
    if n:
        return descend(n - 1)
    return leaf(USER, ITEMS)


def raiser(x):
    if x:
        raise KeyError(x)


def swallow(x):
    try:
        raiser(x)
    except KeyError:
        return 1
    return 0


def branchy(n, limit):
    total = 0
    for i in range(n):
        if i > limit:
            total += i
    return total  # PROBE:branchy


class Holder:
    def __init__(self):
        self.value = 0


HOLDER = Holder()


def assign(holder, value):
    holder.value = value  # PROBE:assign


def line_of(marker):
    with open(__file__) as f:
        for i, line in enumerate(f, 1):
            if line.rstrip().endswith("# PROBE:" + marker):
                return i
    raise LookupError(marker)
