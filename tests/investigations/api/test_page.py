"""The reference page names every operation, where it is and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from investigations.api.app import api

PAGE = (Path(__file__).parents[3] / "docs/reference/rest.md").read_text()


def test_every_operation_is_documented_where_it_is():
    served = {
        (operation["operationId"], f"{method.upper()} {path.removeprefix('/api/v1')}")
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
    }
    assert set(re.findall(r"^\| `(\w+)` \| `([A-Z]+ \S+)` \|", PAGE, re.MULTILINE)) == served


def test_every_operation_says_what_it_does():
    operations = [
        found for methods in api.get_openapi_schema()["paths"].values() for found in methods.values()
    ]
    assert all(found.get("description") for found in operations)
