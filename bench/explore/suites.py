"""The suites: which packages are probed, where their tests are, and how these are run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Suite:
    """One library's own tests. ``sdist`` names the source distribution they lie in; empty: they come with CPython."""

    name: str
    packages: str
    runner: Literal["pytest", "unittest", "script"]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    """What comes before the tests on the runner's command line."""
    sdist: str = ""
    folder: str = "."
    """Where the tests run, within the source distribution."""
    cap_s: float = 300.0
    """How long the tests may take with probes; without, a third of it."""
    every: int = 1
    """Of the tests, each so many-th is run."""
    measures_the_interpreter: tuple[tuple[str, str], ...] = ()
    """Tests that a debugger of any kind must disturb, with what it is they measure: they are told, and fail nothing."""


def _pytest(
    name: str, *tests: str, options: tuple[str, ...] = (), plugins: tuple[str, ...] = (), packages: str = ""
) -> Suite:
    loaded = (part for plugin in plugins for part in ("-p", plugin))
    asked = ("--continue-on-collection-errors", *loaded, *options)
    return Suite(name, packages or name, "pytest", tests, asked, sdist=name)


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
    _pytest("httpx", "tests", options=("--ignore=tests/test_main.py",), plugins=("anyio.pytest_plugin",)),
    _pytest(
        "pydantic",
        *(
            f"tests/test_{name}.py"
            for name in ("main", "validators", "json", "construction", "config", "edge_cases")
        ),
        options=(
            "-c",
            os.devnull,
            "--rootdir=.",
        ),  # it is configured for a later pytest than Flask's tests want
        plugins=("pytest_mock", "pytest_timeout", "pytest_benchmark.plugin", "pytest_run_parallel.plugin"),
        packages=",".join(
            f"pydantic.{name}"
            for name in (
                "main",
                "fields",
                "config",
                "functional_validators",
                "types",
                "json_schema",
                "_internal",
            )
        ),
    ),
    _pytest(
        "sqlalchemy",
        "test/base",
        *(
            f"test/sql/test_{name}.py"
            for name in ("select", "query", "resultset", "functions", "text", "insert", "update", "types")
        ),
        packages=",".join(
            f"sqlalchemy.{name}" for name in ("sql.compiler", "sql.selectable", "sql.coercions", "engine")
        ),
    ),
    _pytest(
        "celery",
        "t/unit/utils",
        "t/unit/tasks",
        plugins=("pytest_subtests.plugin", "celery.contrib.pytest"),
        packages="celery.app,celery.canvas,celery.result,celery.schedules,celery.states,celery.utils",
    ),
    Suite(
        "django",
        "django.template,django.utils,django.http,django.forms",
        "script",
        ("template_tests", "utils_tests", "httpwrappers", "forms_tests"),
        ("runtests.py", "--parallel=1"),
        sdist="django",
        folder="tests",
    ),
)
