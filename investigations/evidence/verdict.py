"""What the rules say of a session: plain rows in, a verdict and its gates out. Pure, so the same rows say the same.

Nobody writes a verdict. A claim alone settles nothing: an agent's inference, and whatever an agent typed in instead
of having it copied, is shown beside the evidence but opens no gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

VerdictName = Literal[
    "diagnosed", "likely", "inconclusive", "reproduction_required", "blocked", "false_alarm"
]
StanceName = Literal["supports", "refutes", "neutral"]

RUNTIME = frozenset({"capture", "comparison"})
"""Kinds that show the mechanism itself at work."""
ABOUT_THE_CONDITION = frozenset({"metric_window", "alert", "capture", "comparison"})
"""Kinds that can show that an alert's own condition does not hold."""
UNAPPROVED = frozenset({"pending_approval", "denied"})


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of evidence. ``copied``: the server froze it from its own rows. ``partial``: cut or withheld."""

    id: UUID
    kind: str
    by_agent: bool = False
    copied: bool = False
    partial: bool = False
    probe: str = ""

    @property
    def settles(self) -> bool:
        return self.kind != "inference" and (self.copied or not self.by_agent)

    @property
    def shows_the_mechanism(self) -> bool:
        return self.kind in RUNTIME and self.copied


@dataclass(frozen=True, slots=True)
class Bearing:
    """How an item bears on a hypothesis, or, without one, on the alert the session was opened on."""

    item: Item
    stance: StanceName
    hypothesis: UUID | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis as the rules see it."""

    id: UUID
    number: int
    state: str
    weakens: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """A probe as the rules see it. ``armed`` and ``asked``: on how many instances; ``captures``: stored."""

    number: int
    state: str
    asked: int
    armed: int
    captures: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    slug: str
    met: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, the hypothesis it speaks of, and the gates in order."""

    verdict: VerdictName
    gates: tuple[Gate, ...]
    leader: UUID | None = None


def decide(claims: Sequence[Claim], bearings: Sequence[Bearing], watches: Sequence[Watch]) -> Answer:
    """Weigh everything once."""
    settled = [bearing for bearing in bearings if bearing.item.settles]
    leader = _leader(claims, settled)
    gates = _gates(leader, claims, settled)
    return Answer(_verdict(gates, leader, settled, watches), gates, leader.id if leader else None)


def weighed_state(bearings: Iterable[Bearing]) -> tuple[str, str] | None:
    """The state that the settling evidence on one hypothesis gives it, and why; None when there is none."""
    stances = [bearing.stance for bearing in bearings if bearing.item.settles]
    supporting, refuting = stances.count("supports"), stances.count("refutes")
    if supporting and refuting:
        return "testing", f"{_pieces(supporting)} support it and {refuting} refute it."
    if supporting:
        return "supported", f"{_pieces(supporting)} support it, none refutes it."
    if refuting:
        return "refuted", f"{_pieces(refuting)} refute it, none supports it."
    return ("testing", "Evidence bears on it, for neither side.") if stances else None


# ---------------------------------------------------------------- gates


def _leader(claims: Sequence[Claim], settled: Sequence[Bearing]) -> Claim | None:
    """The hypothesis most is to be said for: confirmed before supported, then by evidence, then the older."""
    order = {"confirmed": 0, "supported": 1, "testing": 2, "proposed": 3}
    standing = [claim for claim in claims if claim.state in order]

    def strength(claim: Claim) -> tuple[int, int, int]:
        stances = [b.stance for b in settled if b.hypothesis == claim.id]
        return order[claim.state], stances.count("refutes") - stances.count("supports"), claim.number

    return min(standing, key=strength, default=None)


def _gates(leader: Claim | None, claims: Sequence[Claim], settled: Sequence[Bearing]) -> tuple[Gate, ...]:
    if leader is None:
        sentence = "No hypothesis stands: propose what would explain the symptom."
        return (Gate("mechanism", False, sentence),)
    mine = [bearing for bearing in settled if bearing.hypothesis == leader.id]
    rivals = [claim for claim in claims if claim.id != leader.id]
    return (
        _mechanism(leader, mine),
        _rivals(leader, rivals, settled),
        _disconfirming(leader, mine),
        _coverage(leader, mine),
    )


def _mechanism(leader: Claim, mine: Sequence[Bearing]) -> Gate:
    shown = [b for b in mine if b.stance == "supports" and b.item.shows_the_mechanism]
    contradicted = [b for b in mine if b.stance == "refutes"]
    if contradicted:
        sentence = (
            f"{_pieces(len(contradicted))} refute H{leader.number}; it cannot be the cause as it stands."
        )
        return Gate("mechanism", False, sentence)
    if not shown:
        sentence = f"Capture what H{leader.number} says happens, and record the capture as support."
        return Gate("mechanism", False, sentence)
    return Gate(
        "mechanism", True, f"{_pieces(len(shown))} from the running code show H{leader.number} at work."
    )


def _rivals(leader: Claim, rivals: Sequence[Claim], settled: Sequence[Bearing]) -> Gate:
    if not rivals:
        sentence = f"H{leader.number} has no rival: say what else could explain the symptom, and refute it."
        return Gate("rivals", False, sentence)
    refuted = {b.hypothesis for b in settled if b.stance == "refutes"}
    supported = {b.hypothesis for b in settled if b.stance == "supports"}
    standing = [
        rival
        for rival in rivals
        if not (rival.state == "untestable" and rival.reason.strip())
        and (rival.id not in refuted or rival.id in supported)
    ]
    if standing:
        names = " and ".join(f"H{rival.number}" for rival in standing)
        return Gate("rivals", False, f"{names} still stand: refute by evidence, or say why not testable.")
    return Gate("rivals", True, "Every rival is refuted by evidence or marked untestable with a reason.")


def _disconfirming(leader: Claim, mine: Sequence[Bearing]) -> Gate:
    """A try to prove it wrong is a second look: neutral, or support from another probe than the first."""
    if not leader.weakens.strip():
        return Gate(
            "disconfirming", False, f"Say what would weaken H{leader.number}, then look for exactly that."
        )
    looks = [b for b in mine if b.item.shows_the_mechanism and b.stance != "refutes"]
    probes = {b.item.probe for b in looks if b.stance == "supports"}
    if any(b.stance == "neutral" for b in looks) or len(probes) > 1:
        return Gate(
            "disconfirming", True, f"What would weaken H{leader.number} was looked for and not found."
        )
    sentence = (
        f"Look where H{leader.number} would be weakened ({leader.weakens}), and record what is seen there."
    )
    return Gate("disconfirming", False, sentence)


def _coverage(leader: Claim, mine: Sequence[Bearing]) -> Gate:
    shown = [b.item for b in mine if b.stance == "supports" and b.item.shows_the_mechanism]
    if not shown:
        return Gate("coverage", False, f"Nothing captured supports H{leader.number} yet.")
    if all(item.partial for item in shown):
        sentence = (
            "What decides is cut or withheld in every capture: raise the limits or watch the field itself."
        )
        return Gate("coverage", False, sentence)
    return Gate("coverage", True, "What decides was captured whole.")


# ---------------------------------------------------------------- verdict


def _verdict(
    gates: Sequence[Gate], leader: Claim | None, settled: Sequence[Bearing], watches: Sequence[Watch]
) -> VerdictName:
    if any(_denies_the_alarm(bearing) for bearing in settled):
        return "false_alarm"
    met = {gate.slug for gate in gates if gate.met}
    if leader is not None and len(met) == len(gates):
        return "diagnosed"
    if "mechanism" in met:
        return "likely"
    return _of_probes([watch for watch in watches if watch.state != "removed"])


def _of_probes(watches: Sequence[Watch]) -> VerdictName:
    """Why nothing was shown yet, as far as the probes can tell."""
    if not watches or any(watch.captures for watch in watches):
        return "inconclusive"
    if any(_is_blocked(watch) for watch in watches):
        return "blocked"
    return "reproduction_required" if all(watch.armed for watch in watches) else "inconclusive"


def _denies_the_alarm(bearing: Bearing) -> bool:
    """Copied evidence about the alert itself, that its condition does not hold."""
    item = bearing.item
    return (
        bearing.hypothesis is None
        and bearing.stance == "refutes"
        and item.kind in ABOUT_THE_CONDITION
        and (item.copied or not item.by_agent)
    )


def _is_blocked(watch: Watch) -> bool:
    return watch.state in UNAPPROVED or (watch.asked > 0 and watch.armed == 0 and bool(watch.refused))


def _pieces(count: int) -> str:
    return "1 piece" if count == 1 else f"{count} pieces"
