"""The same input gives the same bytes: in another process, with other hashes of text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
from investigations.analysis import commits, differences, grouping, invariants
from investigations.analysis import localisation, next_probe, series, topology
from tests.investigations.analysis.samples import orders

rows, labels = orders(6, 40, lambda row: row.update(urgent="true", amount=row["amount"] * 3))
found = differences.compare(rows, labels)
learned = invariants.learn(orders(0, 40, lambda row: None)[0])
spectrum = localisation.Spectrum.of_lines(["a", "b", "c"], np.arange(138).reshape(46, 3) % 4, labels)
node = topology.NodeSeries(np.sin(np.arange(60)) / 50 + 1, np.array([3.0, 4.0]), np.array([9.0, 9.0]))
calls = [("web", name) for name in ("orders", "search", "mail")]
older = commits.Commit("c1", (), frozenset("a"), frozenset("f"))
history = [commits.Commit("c2", ("c1",), frozenset("ab"), frozenset("f")), older]
groups = grouping.Grouper()
alert = lambda name: grouping.Alert(name, 5.0, "shop", {"team": "t", "severity": "high"}, "too slow: 5 s")
print(found)
print(learned, invariants.violations(learned, rows))
print(localisation.combined(spectrum, found, {"urgent": ["b"]}), localisation.explain_failures(spectrum))
print(topology.rank_causes(calls, {name: node for name in ("web", "orders", "search", "mail")}, "web"))
print(series.change_points(np.r_[np.sin(np.arange(40)), 6 + np.sin(np.arange(30))]))
print(commits.suspect_commits(history, "c2", {"a": 0.5, "b": 0.5}))
print(next_probe.next_probes({"H1": 1, "H2": 1}, [next_probe.Candidate("p", {"H1": {"x": 1}, "H2": {"y": 1}}, 1.0)]))
print(groups.add(alert("one")), groups.add(alert("two")))
"""


def told(hash_seed: str) -> bytes:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=root,
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_same_input_gives_the_same_bytes_in_every_process():
    one, other = told("1"), told("2")
    assert len(one) > 1000
    assert one == other
