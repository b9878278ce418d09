"""The suites: which packages are probed, where their tests are, and how these are run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Suite:
    """One library's own tests. ``sdist`` names the source distribution they lie in; empty: they come with CPython."""

    name: str
    packages: str
    runner: Literal["pytest", "unittest", "script"]
    arguments: tuple[str, ...]
    sdist: str = ""
    folder: str = "."
    """Where the tests run, within the source distribution."""
    cap_s: float = 300.0
    """How long the tests may take with probes; without, a third of it."""
    measures_the_interpreter: tuple[tuple[str, str], ...] = ()
    """Tests that a debugger of any kind must disturb, with what it is they measure: they are told, and fail nothing."""


def _pytest(name: str, *tests: str, plugins: tuple[str, ...] = (), packages: str = "") -> Suite:
    asked = (
        *tests,
        "--continue-on-collection-errors",
        *(part for plugin in plugins for part in ("-p", plugin)),
    )
    return Suite(name, packages or name, "pytest", asked, sdist=name)


SUITES = (
    Suite("json", "json", "unittest", ("test.test_json",)),
    Suite("dataclasses", "dataclasses", "unittest", ("test.test_dataclasses",)),
    Suite("decimal", "_pydecimal", "unittest", ("test.test_decimal",)),
    Suite("asyncio", "asyncio", "unittest", ("test.test_asyncio",)),
    _pytest("click", "tests"),
    _pytest("jinja2", "tests"),
    _pytest("flask", "tests"),
    _pytest("attrs", "tests", packages="attr,attrs"),
    _pytest(
        "requests",
        *(
            f"tests/test_{name}.py"
            for name in ("utils", "structures", "hooks", "lowlevel", "adapters", "testserver")
        ),
    ),
    _pytest("httpx", "tests", "--ignore=tests/test_main.py", plugins=("anyio.pytest_plugin",)),
    _pytest(
        "pydantic",
        *(
            f"tests/test_{name}.py"
            for name in ("main", "validators", "json", "construction", "config", "edge_cases")
        ),
        plugins=("pytest_mock", "pytest_benchmark.plugin", "pytest_run_parallel.plugin"),
    ),
    _pytest("sqlalchemy", "test/sql", "test/base"),
    _pytest(
        "celery", "t/unit/utils", "t/unit/tasks", plugins=("pytest_subtests.plugin", "celery.contrib.pytest")
    ),
    Suite(
        "django",
        "django.template,django.utils,django.http,django.forms",
        "script",
        ("runtests.py", "--parallel=1", "template_tests", "utils_tests", "httpwrappers", "forms_tests"),
        sdist="django",
        folder="tests",
    ),
)
