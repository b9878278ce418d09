import math

import pytest

from investigations.analysis.next_probe import Candidate, expected_bits, next_probes

SURE = {"H1": {"str": 1.0}, "H2": {"bool": 1.0}}


def test_a_clean_split_of_two_even_hypotheses_is_worth_one_bit():
    assert expected_bits({"H1": 0.5, "H2": 0.5}, SURE) == pytest.approx(1)
    assert expected_bits({"H1": 0.5, "H2": 0.5}, {"H1": {"a": 1.0}, "H2": {"a": 1.0}}) == 0


def test_the_probe_that_splits_for_the_least_comes_first():
    found = next_probes(
        {"H1": 1, "H2": 1},
        [
            Candidate("rare line", SURE, hits_per_s=0.01),
            Candidate("hot line", SURE, hits_per_s=10),
            Candidate("blind line", {}, hits_per_s=100, suspicion=0.9),
            Candidate("dead line", SURE, hits_per_s=0),
        ],
    )
    assert [each.name for each in found] == ["hot line", "rare line", "blind line", "dead line"]
    assert "H1 from H2" in found[0].sentence
    assert math.isinf(found[-1].wait_s)
    assert "not reached" in found[-1].sentence


def test_without_hypotheses_the_most_suspicious_line_is_asked():
    found = next_probes({}, [Candidate(f"line {s}", {}, 1, suspicion=s) for s in (0.1, 0.9, 0.5)])
    assert [each.name for each in found] == ["line 0.9", "line 0.5", "line 0.1"]
