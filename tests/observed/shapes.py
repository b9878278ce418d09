"""Shapes of code in which a line is hard to watch. A comment `# P:name` marks the line that is probed."""
import contextlib
import functools
import time


class ByClass:
    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


def by_wraps(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)

    return inner


def by_plain_closure(function):
    def inner(*arguments):
        return function(*arguments)

    return inner


def simple(x):
    y = x + 1
    return y  # P:simple


def long_running(stop, ticks):
    while not stop.is_set():
        ticks.append(1)
        time.sleep(0.001)  # P:running_loop


def generator():
    yield 1
    yield 2  # P:suspended_generator


async def coroutine(future):
    await future
    return 7  # P:suspended_coroutine


async def async_generator():
    yield 1
    yield 2  # P:suspended_async_generator


def make_closure(n):
    def inner(x):
        return x + n  # P:closure

    return inner


OLD_CLOSURES = [make_closure(1), make_closure(2)]

LAMBDA = lambda x: (
    x + 1  # P:lambda_body
)


def comprehension(xs):
    return [
        x * 2  # P:comprehension_element
        for x in xs
    ]


def generator_expression(xs):
    return sum(
        x * 2  # P:generator_element
        for x in xs
    )


def one_line_sum(xs):
    return sum(x * 2 for x in xs)  # P:generator_within_a_statement


@by_wraps
def wrapped(x):
    return x + 1  # P:wrapped


@by_plain_closure
def hidden_by_closure(x):
    return x + 1  # P:hidden_by_closure


@ByClass
def hidden_by_class(x):
    return x + 1  # P:hidden_by_class


@functools.lru_cache(maxsize=None)
def cached(x):
    return x + 1  # P:lru_cache


class Thing:
    def method(self, x):
        return x + 1  # P:method

    @staticmethod
    def static(x):
        return x + 1  # P:staticmethod

    @classmethod
    def of_class(cls, x):
        return x + 1  # P:classmethod

    @property
    def shown(self):
        return 1  # P:property

    @functools.cached_property
    def once(self):
        return 1  # P:cached_property

    class Inner:
        def method(self, x):
            return x + 1  # P:nested_class


PARTIAL = functools.partial(lambda x, y: (
    x + y  # P:partial
), 1)


def with_finally(x):
    try:
        if x:
            raise ValueError(x)
        return 1
    except ValueError:
        return 2
    finally:
        x = x + 1  # P:finally_both_ways


def handles(x):
    try:
        return {}[x]
    except KeyError as missing:
        return missing.args  # P:handler_body


def with_statement(x):
    with contextlib.suppress(KeyError):
        return {}[x]
    return x  # P:after_with


def multiline(x):
    y = max(
        x,
        x + 1,  # P:middle_of_a_call
    )
    return y


def keywords_over_lines(thing, x):
    return thing.\
        method(x=x)  # P:method_name_on_its_own_line


def one_line(x): return x + 1  # P:one_line_function


def for_header(n):
    t = 0
    for i in range(n):  # P:for_header
        t += i
    return t


def while_header(n):
    while n:  # P:while_header
        n -= 1
    return n


def one_line_loop(n):
    total = 0
    for i in range(n): total += i  # P:loop_on_one_line
    return total


def conditional(x):
    return (
        "big" if x > 3
        else "small"  # P:else_branch
    )


def matching(x):
    match x:
        case {"kind": kind}:
            return kind  # P:match_case
        case _:
            return None


def comment(x):
    y = x
    # nothing runs here  # P:comment
    return y


REGISTRY = {}


def _register():
    def handler(x):
        return x + 1  # P:only_in_a_registry

    REGISTRY["only"] = handler


_register()


def kept_by_another(x):
    return x + 1  # P:deleted_from_the_module


class Keeper:
    held = None


KEEPER = Keeper()
KEEPER.held = [{"handler": kept_by_another}]
del kept_by_another


def default_arguments(x, *rest, flag=True, **more):
    return x, rest, flag, more  # P:all_kinds_of_arguments


def sometimes_bound(x):
    if x:
        y = 1
    for i in range(x):
        z = i
        if i > 1:
            del z
    try:
        w = [1, 2][x]
    except IndexError as error:
        v = str(error)
    with contextlib.suppress(KeyError):
        u = {}[x]
    while x:
        x -= 1
        t = x
    return x  # P:sometimes_bound
