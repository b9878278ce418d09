"""The source that instances run: kept once by its hash, and asked of a live instance when what is kept may be old."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog import presence, questions
from investigations.catalog.models import Instance, Service, SourceFile
from investigations.catalog.paths import below_root, is_absolute
from investigations.lib.errors import Invalid, NotFound, Problem, Unavailable
from sightline import wire

ANSWER_WITHIN_S = 5.0
ALL_WITHIN_S = 15.0
AT_ONCE = 8
"""Files asked for together: enough to hide the way there and back, few enough to leave room for captures."""
MOST_FILES = 400


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts of a service's files, and what could not be read: a search of these says what it did not see."""

    files: dict[str, SourceFile]
    unread: list[str] = field(default_factory=list)
    truncated: bool = False
    idle: frozenset[str] = frozenset()
    """Files below the roots that the instance has not imported: their code cannot have run there."""

    @property
    def texts(self) -> dict[str, str]:
        """Path to text, as `investigations.codebase` takes it."""
        return {path: stored.text for path, stored in self.files.items()}


def store_source(service: Service, source: wire.Source, commit: str = "") -> SourceFile:
    """Keep a file's text as an instance runs it; the same text again only moves its commit and time."""
    _check_path(source.path)
    if len(source.hash) != 64:
        raise Invalid(
            "source_hash", "A source's hash is SHA-256 in hexadecimal.", fix="Let the sensor compute it."
        )
    stored, _ = SourceFile.objects.update_or_create(
        service=service,
        path=source.path,
        hash=source.hash,
        defaults={
            "module": source.module[:500],
            "text": source.text.replace(
                "\x00", "\ufffd"
            ),  # which PostgreSQL cannot hold, and Python cannot compile
            "lines": source.lines,
            "outline": msgspec.to_builtins(source.outline),
            "loaded_differs": source.loaded_differs,
            "commit": commit[:64],
            "seen_at": timezone.now(),
        },
    )
    return stored


def fetch_source(
    *,
    by: Actor,
    service: Service,
    path: str,
    commit: str | None = None,
    running: Sequence[Instance] | None = None,
) -> SourceFile:
    """A file as it runs now, or as it ran at ``commit``: the stored text when it is surely that, else a live answer.

    ``path`` may be the end of a path; ``running`` are the present instances, newest connection first, if the caller has
    just read them. Raises `NotFound` (source_unknown) when no instance has the file, `Unavailable`
    (no_instance, no_answer) when none can be asked and none is stored.
    """
    permissions.require(by, "read", service.environment)
    _check_path(path)
    instance = _instance_to_ask(service, commit) if running is None else _first_of(running, commit)
    if instance is None:
        return _last_known(service, path, commit) or _nobody_to_ask(service)
    fresh = _fresh(service, instance).filter(path=path).last()
    if fresh is not None:
        return fresh
    answer = async_to_sync(_ask_for_source)(instance, path)
    if isinstance(answer, wire.Source):
        return _keep(service, instance, answer)
    if isinstance(answer, wire.Failure):
        raise _no_such_file(instance, path, answer)
    raise _no_answer(answer)


def _last_known(service: Service, path: str, commit: str | None) -> SourceFile | None:
    """The newest stored text of the file of that name, or of the only file whose path ends so."""
    stored = service.source_files.filter(**({"commit": commit} if commit else {})).order_by("-seen_at")
    exact = stored.filter(path=path).first()
    if exact is not None:
        return exact
    longer = stored.filter(path__endswith=f"/{path.lstrip('/')}")
    return longer.first() if len(set(longer.values_list("path", flat=True))) == 1 else None


async def _ask_for_source(instance: Instance, path: str) -> wire.AnswerBody:
    """Ask below each of its roots first, so that ``app.py`` is the one there and no other that ends so."""
    below = [] if is_absolute(path) else [f"{root}/{path}" for root in instance.roots]
    for wanted in below:
        answer = await questions.ask_instance(instance.id, "source", wanted, ANSWER_WITHIN_S)
        if not isinstance(answer, wire.Failure):
            return answer
    return await questions.ask_instance(instance.id, "source", path, ANSWER_WITHIN_S)


def _keep(service: Service, instance: Instance, source: wire.Source) -> SourceFile:
    shown = msgspec.structs.replace(source, path=below_root(instance.roots, source.path))
    return store_source(service, shown, instance.commit)


def _no_such_file(instance: Instance, path: str, answer: wire.Failure) -> NotFound:
    known = [entry.path for entry in _listing(instance).files]
    near = difflib.get_close_matches(path, known, n=5, cutoff=0.3) or known[:5]
    return NotFound("source_unknown", answer.sentence, fix="Use one of the service's files.", files=near)


def _listing(instance: Instance) -> wire.Files:
    answer = async_to_sync(questions.ask_instance)(instance.id, "files", "", ANSWER_WITHIN_S)
    if not isinstance(answer, wire.Files):
        raise _no_answer(answer)
    below = [
        msgspec.structs.replace(entry, path=below_root(instance.roots, entry.path)) for entry in answer.files
    ]
    return wire.Files(below, answer.truncated)


def fetch_files(*, by: Actor, service: Service) -> wire.Files:
    """The Python files under the roots of a live instance. Raises `Unavailable` when none answers."""
    permissions.require(by, "read", service.environment)
    instance = _instance_to_ask(service, None)
    if instance is None:
        _nobody_to_ask(service)
    return _listing(instance)


def fetch_sources(*, by: Actor, service: Service, paths: Iterable[str] | None = None) -> Sources:
    """The texts of these files, or of all under the service's roots: stored ones, and others asked for together.

    Never raises for a file that cannot be read: it is named in ``unread``. At most `MOST_FILES` files, within
    `ALL_WITHIN_S`.
    """
    permissions.require(by, "read", service.environment)
    instance = _instance_to_ask(service, None)
    if instance is None:
        return _all_stored(service, paths)
    truncated, idle = False, frozenset[str]()
    if paths is None:
        listing = _listing(instance)
        paths, truncated = [entry.path for entry in listing.files], listing.truncated
        idle = frozenset(entry.path for entry in listing.files if not entry.imported)
    wanted = list(dict.fromkeys(paths))
    have = {file.path: file for file in _fresh(service, instance).filter(path__in=wanted[:MOST_FILES])}
    missing = [path for path in wanted[:MOST_FILES] if path not in have]
    for path, answer in async_to_sync(_ask_together)(instance, missing).items():
        if isinstance(answer, wire.Source):
            have[path] = _keep(service, instance, answer)
    unread = [path for path in wanted if path not in have]
    return Sources(have, unread, truncated or len(wanted) > MOST_FILES, idle)


def _all_stored(service: Service, paths: Iterable[str] | None) -> Sources:
    """What is left when nobody can be asked: the newest text of each file that was ever read."""
    stored = service.source_files.order_by("path", "-seen_at").distinct("path")
    if paths is None:
        return Sources(
            {file.path: file for file in stored[:MOST_FILES]}, truncated=stored.count() > MOST_FILES
        )
    wanted = list(paths)
    have = {file.path: file for file in stored.filter(path__in=wanted)}
    return Sources(have, [path for path in wanted if path not in have])


async def _ask_together(instance: Instance, paths: list[str]) -> dict[str, wire.AnswerBody]:
    """The answers that came in time."""
    turns = asyncio.Semaphore(AT_ONCE)
    answers: dict[str, wire.AnswerBody] = {}

    async def ask(path: str) -> None:
        async with turns:
            try:
                answers[path] = await _ask_for_source(instance, path)
            except Problem as problem:
                answers[path] = wire.Failure(problem.slug, problem.sentence)

    asked = [asyncio.create_task(ask(path)) for path in paths]
    if asked:
        _, late = await asyncio.wait(asked, timeout=ALL_WITHIN_S)
        for task in late:
            task.cancel()
    return answers


def _instance_to_ask(service: Service, commit: str | None) -> Instance | None:
    """The present instance that connected last, of that commit when one is named."""
    present = service.instances.filter(presence.present())
    if commit:
        present = present.filter(commit=commit)
    return present.order_by("-connected_at").first()


def _first_of(running: Sequence[Instance], commit: str | None) -> Instance | None:
    return next((instance for instance in running if not commit or instance.commit == commit), None)


def _fresh(service: Service, instance: Instance) -> QuerySet[SourceFile]:
    """What is surely the text this instance runs: of its commit, or read since it started when it names none."""
    fresh = service.source_files.filter(commit=instance.commit)
    if not instance.commit:
        fresh = fresh.filter(seen_at__gte=instance.started_at)
    return fresh.order_by("seen_at")


def _no_answer(answer: wire.AnswerBody) -> Problem:
    if isinstance(answer, wire.Failure):
        return Unavailable("no_answer", answer.sentence, fix="Try again.")
    return Unavailable("no_answer", "The sensor answered something else.", fix="Bring the sensor up to date.")


def _nobody_to_ask(service: Service) -> NoReturn:
    raise Unavailable(
        "no_instance",
        f"No instance of {service.name} is connected, and this is not stored.",
        fix="Start the service with its sensor, then try again.",
    )


def _check_path(path: str) -> None:
    if not path or len(path) > 1000 or "\x00" in path:
        raise Invalid(
            "path_malformed", "A path has 1 to 1000 characters.", fix="Use a path from the service's files."
        )
