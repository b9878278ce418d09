"""The expectation: what should always hold at a line; hits where it does not are captured."""

from __future__ import annotations

from types import FrameType
from typing import Any

from sightline import hits, native, wire
from sightline.engines.base import Fire, Names
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.hits import ProbeHits, rare
from sightline.kinds import snapshot
from sightline.kinds.base import LineKind
from sightline.kinds.metric import value_of


class Expectation(LineKind):
    """Counts true, false and unknown. A hit where it holds ends as ``condition_false``: there was nothing to capture;
    one where it cannot be judged ends as ``condition_error``.
    """

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.value = value_of(hits, "An expectation needs a `value`: the expression that should be true.")
        self.unknown_because: dict[str, int] = {}
        self.true = self.false = 0

    def start_over(self) -> None:
        self.unknown_because.clear()
        self.true = self.false = 0

    def fire(self) -> Fire:
        return hits.evaluating(self.hits, self._judge())

    def _judge(self) -> hits.Then:
        tally, scope, monotonic = self.hits.tally, self.hits.scope, native.monotonic
        holds = self.value.holds
        violated = hits.limited(self.hits, hits.recorder(self.hits, snapshot.frames(self.hits), 1))

        def judge(frame: FrameType, names: Names | None, now: float) -> bool:
            try:
                held = holds(names if names is not None else scope(frame) if scope else frame.f_locals)
            except (ExpressionError, BudgetExceeded) as error:
                return self._unknown(error)
            if held:
                self.true += 1
                tally.condition_false += 1
                return False
            self.false += 1
            return violated(frame, names, now or monotonic())

        return judge

    def _unknown(self, error: ExpressionError | BudgetExceeded) -> bool:
        self.hits.last_value_error = error
        slug = error.slug
        try:
            self.unknown_because[slug] += 1
        except KeyError:
            self.unknown_because[slug] = 1
        return rare(
            self.hits.tally, "evaluation_budget" if isinstance(error, BudgetExceeded) else "condition_error"
        )

    def figures(self) -> dict[str, Any]:
        because = dict(self.unknown_because)
        return {
            "true": self.true, "false": self.false, "unknown": sum(because.values()), "unknown_because": because,
        }  # fmt: skip

    def write(self, capture: wire.Capture, payload: Any) -> None:
        snapshot.write_frames(self.hits, capture, payload)
        capture.detail = {"judged": "false"}
