"""Writes a copy of this example in which the telling attribute, its module and its lines are different.

A test that follows the case on such a copy cannot have its answer written into it.
"""

import argparse
import keyword
import re
import shutil
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent
ATTRIBUTE, MODULE = "high_value", "trade_request"
IMPORTS_END = "\nlog = logging"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "variant.py", "README.md")


def write_variant(out: Path, *, attribute: str = ATTRIBUTE, module: str = MODULE, padding: int = 0) -> Path:
    """Copy the example to `out`, which must not exist, and return the file that holds the bug there.

    `attribute` and `module` replace the names in every file; `padding` lines push the class down.
    Raises ValueError for a name Python would not take, or that the example uses already.
    """
    refuse_bad_name(attribute, but=ATTRIBUTE)
    refuse_bad_name(module, but=MODULE)
    shutil.copytree(EXAMPLE, out, ignore=LEFT_OUT)
    for file in out.rglob("*.py"):
        file.write_text(renamed(file.read_text(), {ATTRIBUTE: attribute, MODULE: module}))
    for file in list(out.rglob(f"{MODULE}.py")):
        file.write_text(padded(file.read_text(), padding))
        file.rename(file.with_stem(module))
    return out / "trades" / f"{module}.py"


def refuse_bad_name(name: str, *, but: str) -> None:
    """Raise ValueError unless the name is new here, or is the one that it would replace."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is not a Python name")
    used = any(re.search(rf"\b{name}\b", file.read_text()) for file in EXAMPLE.rglob("*.py"))
    if used and name != but:
        raise ValueError(f"{name!r} is used in the example already; choose another name")


def renamed(source: str, names: dict[str, str]) -> str:
    """The source with each whole word replaced."""
    words = re.compile(rf"\b({'|'.join(names)})\b")
    return words.sub(lambda word: names[word[1]], source)


def padded(source: str, lines: int) -> str:
    """The source with that many lines of comment between its imports and its first statement."""
    comment = "".join(f"# Reserved for the desk's rule {number}.\n" for number in range(1, lines + 1))
    return source.replace(IMPORTS_END, f"\n{comment}{IMPORTS_END}" if lines else IMPORTS_END, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attribute", default=ATTRIBUTE, help="name of the boolean field")
    parser.add_argument("--module", default=MODULE, help="name of the module that holds the request")
    parser.add_argument("--padding", type=int, default=0, help="lines put above the class")
    parser.add_argument("--out", type=Path, required=True, help="directory to write; must not exist")
    arguments = parser.parse_args()
    print(
        write_variant(
            arguments.out,
            attribute=arguments.attribute,
            module=arguments.module,
            padding=arguments.padding,
        )
    )


if __name__ == "__main__":
    main()
