"""What an actor may learn of services, their instances and their stored source."""

from __future__ import annotations

import contextlib
import difflib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from investigations.accounts import permissions
from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service, SourceFile
from investigations.catalog.presence import Presence, presence_of, present
from investigations.lib import ids
from investigations.lib.errors import NotFound

MOST_NAMES = 500
"""Names compared when someone mistypes one."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose text is stored: its newest text's hash, commit and time."""

    path: str
    module: str
    hash: str
    commit: str
    seen_at: datetime


def services(by: Actor, environment: Environment | str | None = None, query: str = "") -> QuerySet[Service]:
    """Services by name, of one environment (itself or its name) or of all that may be seen."""
    found = Service.objects.filter(environment__in=permissions.visible_environments(by))
    if isinstance(environment, str):
        environment = accounts.environment_named(by, environment) if environment else None
    if environment is not None:
        permissions.require(by, "read", environment)
        found = found.filter(environment=environment)
    if query:
        found = found.filter(name__icontains=query)
    return found.select_related("environment")


def live_instances(by: Actor, services: Iterable[Service]) -> dict[uuid.UUID, list[Instance]]:
    """The present instances of each of these services, by the service's id; one query for them all."""
    found: dict[uuid.UUID, list[Instance]] = {}
    for row in instances(by, live=True).filter(service__in=list(services)):
        found.setdefault(row.service_id, []).append(row)
    return found


def presence(instance: Instance) -> Presence:
    """``present``, ``late`` or ``gone``, as of now."""
    return presence_of(instance)


def service_by_ref(by: Actor, ref: str, environment: Environment | None = None) -> Service:
    """The service of that id or name. Raises `NotFound`, with the names that come nearest."""
    seen = Service.objects.filter(environment__in=permissions.visible_environments(by)).select_related(
        "environment"
    )
    if environment is not None:
        seen = seen.filter(environment=environment)
    wanted = Q(name=ref)
    with contextlib.suppress(ids.BadId):
        wanted |= Q(pk=ids.read("svc", ref))
    found = seen.filter(wanted).order_by("environment__name")[:2]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(
            "service_ambiguous",
            f"Several environments have a service {ref[:80]!r}.",
            fix="Name the environment, or use the service's id.",
            services=[f"{service.name} in {service.environment.name}" for service in found],
        )
    raise NotFound(
        "service_unknown",
        f"No service {ref[:80]!r} is known that you may see.",
        fix="Use one of the names given here, or start its sensor.",
        services=_nearest(ref, list(seen.values_list("name", flat=True)[:MOST_NAMES])),
    )


def _nearest(name: str, among: list[str]) -> list[str]:
    """The likeliest meant first; when none is like it, the first few there are."""
    return difflib.get_close_matches(name, among, n=5, cutoff=0.4) or sorted(among)[:5]


def instances(by: Actor, service: Service | None = None, live: bool | None = None) -> QuerySet[Instance]:
    """Instances by service, host and process; ``live`` True or False keeps those that are present or are not."""
    found = Instance.objects.filter(environment__in=permissions.visible_environments(by))
    if service is not None:
        found = found.filter(service=service)
    if live is not None:
        found = found.filter(present()) if live else found.exclude(present())
    return found.select_related("service", "environment")


def instance(by: Actor, id: uuid.UUID) -> Instance:
    """One instance. Raises `NotFound`."""
    found = instances(by).filter(pk=id).first()
    if found is None:
        raise NotFound("not_found", "There is no such instance, or it is not yours to see.")
    return found


def running_commits(service: Service) -> list[str]:
    """The commits that present instances say they run, most instances first; without those that say none."""
    running = service.instances.filter(present()).exclude(commit="")
    counted = running.values("commit").annotate(count=Count("id")).order_by("-count", "commit")
    return [row["commit"] for row in counted]


def source_file(by: Actor, service: Service, path: str, commit: str | None = None) -> SourceFile | None:
    """The newest stored text of a file, of that commit when one is named; None when none is stored."""
    permissions.require(by, "read", service.environment)
    found = service.source_files.filter(path=path)
    if commit:
        found = found.filter(commit=commit)
    return found.order_by("-seen_at").first()


def known_files(by: Actor, service: Service, query: str = "") -> list[StoredFile]:
    """Every file of which some text is stored, by path, with its newest."""
    permissions.require(by, "read", service.environment)
    found = service.source_files.filter(path__icontains=query) if query else service.source_files.all()
    newest = found.order_by("path", "-seen_at").distinct("path")
    return [StoredFile(*row) for row in newest.values_list("path", "module", "hash", "commit", "seen_at")]
