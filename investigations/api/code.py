"""Source as deployed, and where an attribute is assigned."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from investigations.api.auth import actor
from investigations.catalog import selectors as catalog
from investigations.catalog import services as catalog_verbs
from investigations.shapes import AssignmentsShape, FileShape, MatchShape, SourceShape

router = Router(tags=["code"])


@router.get("/services/{service}/files", response=list[FileShape], operation_id="list_files")
def list_files(request: HttpRequest, service: str) -> list[FileShape]:
    """The Python files under the roots of a service, as a running instance has them."""
    by = actor(request)
    files = catalog_verbs.fetch_files(by=by, service=catalog.service_by_ref(by, service))
    return [FileShape.from_row(entry) for entry in files.files]


@router.get("/services/{service}/source", response=SourceShape, operation_id="read_code")
def read_code(
    request: HttpRequest, service: str, path: str, first_line: int = 1, last_line: int = 100_000
) -> SourceShape:
    """A file as a running instance has it, with executable lines and outline."""
    by = actor(request)
    source = catalog_verbs.fetch_source(by=by, service=catalog.service_by_ref(by, service), path=path)
    return SourceShape.from_row(source, max(first_line, 1), last_line, outline=True)


@router.get("/services/{service}/search", response=list[MatchShape], operation_id="search_code")
def search_code(request: HttpRequest, service: str, text: str) -> list[MatchShape]:
    """Lines of the deployed source that contain a text."""
    by = actor(request)
    found = catalog_verbs.search_source(by=by, service=catalog.service_by_ref(by, service), text=text)
    return [MatchShape.from_row(match) for match in found.matches]


@router.get("/services/{service}/assignments", response=AssignmentsShape, operation_id="find_assignments")
def find_assignments(request: HttpRequest, service: str, target: str) -> AssignmentsShape:
    """Every place that can write ``Class.attribute``, ranked, and what cannot be seen."""
    by = actor(request)
    found = catalog_verbs.find_assignments(by=by, service=catalog.service_by_ref(by, service), target=target)
    return AssignmentsShape.from_row(found)
