"""Which lines and predicates the failures point at: spectra of executions, several faults at once, and one
combined ranking.

A `Spectrum` is what counter and path probes tell: how often each element (a line, a branch, a predicate) held
in each execution, and how often it was looked at. All scores are larger for the more suspicious; ties keep
the order of the elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from investigations.analysis import significance
from investigations.analysis.differences import LEVEL, Comparison, Difference
from investigations.analysis.predicates import CONTRACT
from investigations.analysis.significance import Z95, Interval
from investigations.analysis.slices import FAR

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

DSTAR_POWER = 2
MARKED = 2.0
"""How much likelier a mark in all failing executions makes a line: odds on small broken programs, where a conditional
logit over programs held out gives 2.0 for a line that raised, 2.5 for a condition that went one way (`bench.mutants`).
"""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """``held`` and ``looked`` are counts of shape (executions, elements); a line that was reached was looked
    at and held.

    ``failing`` has one boolean for each execution. What was never looked at in an execution is unknown there, and all
    counts (F and S of the formulas, too) are of the executions in which an element was looked at.
    """

    elements: tuple[str, ...]
    held: Floats
    looked: Floats
    failing: Bools

    @classmethod
    def of_lines(cls, elements: Sequence[str], counts: npt.ArrayLike, failing: npt.ArrayLike) -> Spectrum:
        """From counter probes that were armed throughout: a count of 0 is known to be 0."""
        held = np.asarray(counts, dtype=np.float64)
        return cls(tuple(elements), held, np.maximum(held, 1.0), np.asarray(failing, dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class Suspect:
    """One element with its score, the executions behind it, and a sentence.

    ``failing`` and ``passing`` are the executions in which it was looked at, ``coverage`` their share of all.
    ``effect`` is a risk ratio, for ``importance`` Liblit's Increase; ``p`` is Fisher's (or G's) for its holding more or
    less often in failing executions, ``q`` the same held against all elements. Where values lifted it, all these are of
    the difference that did, which ``because`` tells. ``frequency`` is its score by SOBER.
    ``explains`` counts failing executions this element accounts for (all it held in, or those left when it was
    chosen). ``rank`` begins at 1; elements that nothing tells apart share one.
    """

    element: str
    score: float
    method: str
    held_failing: int
    failing: int
    held_passing: int
    passing: int
    effect: Interval
    coverage: float
    test: str
    p: float
    q: float
    frequency: float
    explains: int
    rank: int
    sentence: str
    because: Difference | None = None

    @property
    def n(self) -> int:
        return self.because.n if self.because else self.failing + self.passing


@dataclass(frozen=True, slots=True)
class _Counts:
    held_failing: Floats
    held_passing: Floats
    seen_failing: Floats
    seen_passing: Floats
    failing: int
    passing: int


def tarantula(spectrum: Spectrum) -> Floats:
    """(F(e)/F) / (F(e)/F + S(e)/S): Jones & Harrold, ASE 2005. Shape (elements,)."""
    counts = _counts(spectrum)
    failing = _divided(counts.held_failing, counts.seen_failing)
    passing = _divided(counts.held_passing, counts.seen_passing)
    return _divided(failing, failing + passing)


def ochiai(spectrum: Spectrum) -> Floats:
    """F(e) / sqrt(F * (F(e) + S(e))): Abreu, Zoeteweij & van Gemund, TAICPART 2007. Shape (elements,)."""
    counts = _counts(spectrum)
    return _divided(
        counts.held_failing, np.sqrt(counts.seen_failing * (counts.held_failing + counts.held_passing))
    )


def dstar(spectrum: Spectrum) -> Floats:
    """F(e)^2 / (S(e) + F - F(e)): Wong et al., IEEE Trans. Reliability 2014; infinite for a perfect element."""
    counts = _counts(spectrum)
    missing = counts.held_passing + counts.seen_failing - counts.held_failing
    power = counts.held_failing**DSTAR_POWER
    return np.where((missing == 0) & (power > 0), np.inf, _divided(power, missing))


def sober(spectrum: Spectrum) -> Floats:
    """How unlikely the failing executions' mean frequency is under the passing ones': Liu et al., FSE 2005.

    The bias of an execution is held / looked; the score is minus the log of the two-sided normal tail of the
    failing mean, with the passing mean and spread. Finds what holds in both, but not as often: loops,
    retries. Shape (elements,).
    """
    bias = _divided(spectrum.held, np.maximum(spectrum.looked, spectrum.held))
    is_line = (spectrum.looked <= np.maximum(spectrum.held, 1)).all(axis=0)
    if (spectrum.held[:, is_line] > 1).any():
        tamed = spectrum.held / (1.0 + spectrum.held)
        bias = np.where(is_line, tamed, bias)  # lines have no denominator: their counts, tamed
    known = spectrum.looked > 0
    scores = np.zeros(len(spectrum.elements))
    for element in range(len(spectrum.elements)):
        failing = bias[known[:, element] & spectrum.failing, element]
        passing = bias[known[:, element] & ~spectrum.failing, element]
        if len(failing) and len(passing) > 1:
            spread = max(float(passing.std(ddof=1)), 1.0 / (len(passing) + 1))
            z = abs(float(failing.mean() - passing.mean())) / spread * math.sqrt(len(failing))
            scores[element] = max(0.0, -(float(log_ndtr(-z)) + math.log(2)))
    return scores


# ---------------------------------------------------------------- Liblit


def importance(spectrum: Spectrum) -> tuple[Floats, Floats, Floats]:
    """Liblit's Importance (PLDI 2005) with the 95 % bounds of Increase, each of shape (elements,).

    Increase = F(P)/(F(P)+S(P)) - Fo(P)/(Fo(P)+So(P)); Importance = 2 / (1/Increase + log F / log F(P)); 0
    where the lower bound of Increase is not above 0.
    """
    counts = _counts(spectrum)
    failure = _divided(counts.held_failing, counts.held_failing + counts.held_passing)
    context = _divided(counts.seen_failing, counts.seen_failing + counts.seen_passing)
    increase = failure - context
    width = Z95 * np.sqrt(
        _variance(failure, counts.held_failing + counts.held_passing)
        + _variance(context, counts.seen_failing + counts.seen_passing)
    )
    total = math.log(max(counts.failing, 1)) or 1.0
    logs = (
        np.log(np.maximum(counts.held_failing, 1.0)) / total if counts.failing > 1 else np.ones(len(increase))
    )
    worth = (increase - width > 0) & (logs > 0)
    harmonic = 2.0 / (1.0 / np.where(worth, increase, 1.0) + 1.0 / np.where(logs > 0, logs, 1.0))
    return np.where(worth, harmonic, 0.0), increase - width, np.minimum(increase + width, 1.0)


def explain_failures(spectrum: Spectrum, most: int = 10) -> list[Suspect]:
    """Several faults at once: the most important element, then again without the failing executions it
    explains.
    """
    left = np.ones(len(spectrum.failing), dtype=np.bool_)
    suspects: list[Suspect] = []
    while len(suspects) < most and (left & spectrum.failing).any():
        rest = Spectrum(spectrum.elements, spectrum.held[left], spectrum.looked[left], spectrum.failing[left])
        scores, low, high = importance(rest)
        best = int(np.argmax(scores))
        if scores[best] <= 0:
            break
        explained = left & spectrum.failing & (spectrum.held[:, best] > 0)
        increase = Interval(
            "increase", float(low[best] + high[best]) / 2, float(low[best]), float(high[best])
        )
        judged = _Judged.of(spectrum)
        suspects.append(
            judged.suspect(
                best, "importance", float(scores[best]), int(explained.sum()), len(suspects) + 1, increase
            )
        )
        left &= ~explained
    return suspects


@dataclass(frozen=True, slots=True)
class _Judged:
    """A spectrum with how surely each of its elements goes with failing, whatever it is ranked by."""

    spectrum: Spectrum
    counts: _Counts
    p: Floats
    q: Floats
    exact: Bools
    frequency: Floats

    @classmethod
    def of(cls, spectrum: Spectrum) -> _Judged:
        counts = _counts(spectrum)
        a, f, b, s = (
            each.astype(np.int64)
            for each in (counts.held_failing, counts.seen_failing, counts.held_passing, counts.seen_passing)
        )
        p, exact = significance.exact_or_g(a, f, b, s)
        q, _ = significance.false_discovery(p, significance.smallest_attainable(a + b, f, s), LEVEL)
        return cls(spectrum, counts, p, q, exact, sober(spectrum))

    def suspect(
        self, at: int, method: str, score: float, explains: int, rank: int, effect: Interval | None = None
    ) -> Suspect:
        """Element ``at`` as a result; its effect is the risk ratio unless another is given."""
        a, f, b, s = (
            int(each[at])
            for each in (
                self.counts.held_failing,
                self.counts.seen_failing,
                self.counts.held_passing,
                self.counts.seen_passing,
            )
        )
        element = self.spectrum.elements[at]
        sentence = f"{element} in {a} of {f} failing and {b} of {s} passing executions ({method} {score:.2f})"
        sentence += f"; it accounts for {explains} failing." if explains else "."
        return Suspect(
            element=element,
            score=score,
            method=method,
            held_failing=a,
            failing=f,
            held_passing=b,
            passing=s,
            effect=effect or _ratio(a, f, b, s),
            coverage=(f + s) / max(len(self.spectrum.failing), 1),
            test="fisher" if self.exact[at] else "g",
            p=float(self.p[at]),
            q=float(self.q[at]),
            frequency=float(self.frequency[at]),
            explains=explains,
            rank=rank,
            sentence=sentence,
        )


def _ratio(a: int, f: int, b: int, s: int) -> Interval:
    return significance.risk_ratio(a, f, b, s) if f and s else Interval("risk_ratio", 1.0, 0.0, math.inf)


# ---------------------------------------------------------------- one ranking


def combined(
    spectrum: Spectrum,
    comparison: Comparison | None = None,
    lines_of: Mapping[str, Sequence[str]] | None = None,
    operations: Mapping[str, int] | None = None,
    distances: Sequence[Mapping[str, int]] = (),
    marks: Sequence[Mapping[str, int]] = (),
) -> list[Suspect]:
    """Elements by coverage, values, what single executions show, frequency and size, the most suspicious first.

    The score is Ochiai, lifted by differences of values that hold at their level where ``lines_of`` their paths names
    the element (what writes or reads them). Ties, of which coverage has many, are broken in this order. By how likely
    an element is what is wrong: twice as likely for each of its ``marks`` (`marks`), and where the outcome depended on
    it, that is, where ``distances`` has it (`slices`), as far as that is so in failing executions; and with the square
    root of its ``operations``, each of which may be wrong. By how few dependences lie between it and failing outcomes
    (Soremekun et al., EMSE 2021). By SOBER, as what runs more or less often is nearer to the fault than what merely
    runs; by broken contracts (type, None, shape) that may be chance; and by the operations alone. ``marks`` and
    ``distances`` are told of each execution, in the order of the spectrum's; without either the first two are left out.
    """
    place = ochiai(spectrum)
    frequency = sober(spectrum)
    frequency = frequency / max(float(frequency.max(initial=0.0)), 1.0)
    found = comparison.differences if comparison is not None else ()
    doubtful = comparison.doubtful if comparison is not None else ()
    lifts = _lifts(spectrum.elements, found, lines_of or {})
    sure = np.array([share for share, _ in lifts])
    hints = [each for each in doubtful if each.kind in CONTRACT]
    hinted = np.array([share for share, _ in _lifts(spectrum.elements, hints, lines_of or {})])
    sizes = [(operations or {}).get(element, 0) for element in spectrum.elements]
    scores = place + sure
    likely, nearness = _likely(spectrum, sizes, distances, marks)
    keys = [
        (
            -round(float(scores[at]), 6),
            -round(float(likely[at]), 6),
            -round(float(nearness[at]), 6),
            -round(float(frequency[at]), 3),
            -round(float(hinted[at]), 6),
            -sizes[at],
        )
        for at in range(len(spectrum.elements))
    ]
    order = sorted(range(len(keys)), key=lambda at: (keys[at], at))
    first_of: dict[tuple[float, ...], int] = {}
    for rank, at in enumerate(order, start=1):
        first_of.setdefault(keys[at], rank)
    judged = _Judged.of(spectrum)
    return [
        _lifted(
            judged.suspect(
                at, "combined", float(scores[at]), int(judged.counts.held_failing[at]), first_of[keys[at]]
            ),
            lifts[at][1],
        )
        for at in order
    ]


def _lifted(suspect: Suspect, because: Difference | None) -> Suspect:
    """With the difference of values that lifted it, which says more surely than coverage why it stands there."""
    if because is None or because.q > suspect.q:
        return suspect
    return replace(
        suspect,
        effect=because.effect,
        coverage=because.coverage,
        test=because.test,
        p=because.p,
        q=because.q,
        sentence=f"{suspect.sentence.removesuffix('.')}. There, {because.sentence}",
        because=because,
    )


def _likely(
    spectrum: Spectrum,
    sizes: Sequence[int],
    distances: Sequence[Mapping[str, int]],
    marks: Sequence[Mapping[str, int]],
) -> tuple[Floats, Floats]:
    """How likely each element is what is wrong, and how near failing outcomes are; 0 where no steps are known."""
    nothing = np.zeros(len(spectrum.elements))
    if not (any(distances) or any(marks)):
        return nothing, nothing
    marked = _in_failing(spectrum, marks, 0)
    distance = _in_failing(spectrum, distances, FAR)
    in_slice, near = (each.mean(axis=0) for each in (distance < FAR, 1 / (1 + distance)))
    return np.sqrt(np.maximum(sizes, 1)) * MARKED ** (marked.mean(axis=0) + in_slice), near


def _in_failing(spectrum: Spectrum, told: Sequence[Mapping[str, int]], otherwise: int) -> Floats:
    """What is told of each element in each failing execution, of shape (failing executions, elements)."""
    rows = [each for each, failed in zip(told, spectrum.failing, strict=True) if failed] if told else []
    rows = rows or [{}]
    return np.array(
        [[each.get(element, otherwise) for element in spectrum.elements] for each in rows], dtype=np.float64
    )


def _lifts(
    elements: Sequence[str], differences: Sequence[Difference], lines_of: Mapping[str, Sequence[str]]
) -> list[tuple[float, Difference | None]]:
    """How far the difference separates that an element's values take part in most, less for those ranked lower."""
    lifts: dict[str, tuple[float, Difference | None]] = {}
    for rank, difference in enumerate(differences):
        share = difference.separation / (1 + rank)
        for element in {element for path in difference.paths for element in lines_of.get(path, ())}:
            if share > lifts.get(element, (0.0, None))[0]:
                lifts[element] = share, difference
    return [lifts.get(element, (0.0, None)) for element in elements]


# ---------------------------------------------------------------- counting


def _counts(spectrum: Spectrum) -> _Counts:
    failing = spectrum.failing
    held, looked = spectrum.held > 0, spectrum.looked > 0
    return _Counts(
        held_failing=held[failing].sum(axis=0).astype(np.float64),
        held_passing=held[~failing].sum(axis=0).astype(np.float64),
        seen_failing=looked[failing].sum(axis=0).astype(np.float64),
        seen_passing=looked[~failing].sum(axis=0).astype(np.float64),
        failing=int(failing.sum()),
        passing=int((~failing).sum()),
    )


def _divided(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _variance(share: Floats, count: Floats) -> Floats:
    return _divided(share * (1 - share), count)
