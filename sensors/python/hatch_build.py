"""Compiles the modules that run inside the application's calls, where `SIGHTLINE_COMPILE=1` asks for it.

    SIGHTLINE_COMPILE=1 python -m pip install ./sensors/python
    python hatch_build.py FOLDER        compiles in place in FOLDER, which holds a copy of this one

The sources are those of the package, word for word. What stands in `compiled` only says how their objects lie in
memory. Needs Cython, setuptools, a C compiler and Python's headers. Without the wish nothing of this is looked at.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
WISH = "SIGHTLINE_COMPILE"
TOOLS = ["cython>=3.2,<4", "setuptools"]
_HOT = """
    context foreign functions histograms hits limits outbox outcomes readers snapshots
    engines.base engines.monitoring engines.rewriting expressions.closures
    kinds.assignment kinds.counter kinds.dependency kinds.duration kinds.exception kinds.expectation kinds.function
    kinds.gates kinds.kept kinds.logpoint kinds.metric kinds.pairing kinds.path kinds.snapshot
"""
MODULES = frozenset(_HOT.split())
"""All that an engine calls at a hit: a part of them would leave some hits with more frames above them than others."""
SINCE_3_12 = frozenset({"_locals"})
"""Has no counterpart in Python."""
TYPED = frozenset({"hits"})
"""Where annotations tell the types of objects; elsewhere they are passed over, as the interpreter does."""


FLAGS = [] if sys.platform == "win32" else ["-O2", "-g0", "-w"]


class CompiledBuild(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's hook: puts what was compiled into the wheel, beside its sources."""

    def dependencies(self) -> list[str]:
        return TOOLS if self.wished() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self.wished() or version == "editable":  # there it would shadow the sources that are edited
            return
        self.folder = tempfile.mkdtemp(prefix="sightline-")
        for built in compiled(Path(self.folder)):
            build_data["force_include"][str(built)] = str(built.relative_to(self.folder))
        build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    def wished(self) -> bool:
        return self.target_name == "wheel" and os.environ.get(WISH, "") not in ("", "0")


def compiled(folder: Path) -> list[Path]:
    """The compiled modules, made in ``folder/sightline`` out of a copy of the package."""
    from setuptools import Distribution

    for source in ("sightline", "compiled"):
        shutil.copytree(
            HERE / source,
            folder / "sightline",
            dirs_exist_ok=True,
            ignore=_OF_NO_USE,
            copy_function=copy_if_changed,
        )
    before = Path.cwd()
    os.chdir(folder)  # so that tracebacks name `sightline/hits.py`, wherever it was built
    try:
        extensions = [*_as_c(MODULES - TYPED, typed=False), *_as_c(TYPED, typed=True)]
        command = Distribution({"ext_modules": extensions, "packages": []}).get_command_obj("build_ext")
        command.inplace, command.parallel = True, os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return [folder / command.get_ext_filename(each.name) for each in extensions]


def copy_if_changed(source: str | Path, target: str | Path) -> None:
    """Copy a file, unless the target holds the same: it would be compiled anew."""
    if not Path(target).is_file() or Path(source).read_bytes() != Path(target).read_bytes():
        shutil.copyfile(source, target)


def _as_c(modules: frozenset[str], *, typed: bool) -> list[Any]:
    from Cython.Build import cythonize
    from setuptools import Extension

    asked = modules | SINCE_3_12 if sys.version_info >= (3, 12) and not typed else modules
    extensions = [
        Extension(f"sightline.{module}", [_source(module)], extra_compile_args=FLAGS)
        for module in sorted(asked)
    ]
    directives = {"language_level": 3, "annotation_typing": typed}
    made: list[Any] = cythonize(extensions, compiler_directives=directives, quiet=True)
    return made


def _source(module: str) -> str:
    path = f"sightline/{module.replace('.', '/')}"
    return f"{path}.pyx" if module in SINCE_3_12 else f"{path}.py"


_OF_NO_USE = shutil.ignore_patterns("__pycache__", "*.so", "*.c")

if __name__ == "__main__":
    compiled(Path(sys.argv[1]))
