import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from investigations.analysis.series import change_points, onset, rank_series, robust_z

NOISE = np.random.default_rng(4)


def test_robust_z_measures_in_deviations_and_keeps_gaps():
    before = NOISE.normal(10, 2, size=4000)
    z = robust_z(before, np.array([10.0, 14.0, np.nan]))
    assert abs(z[0]) < 0.1
    assert abs(z[1] - 2) < 0.15
    assert np.isnan(z[2])


def test_a_series_that_never_moved_stands_out_when_it_does():
    assert robust_z(np.full(20, 3.0), np.array([3.0, 4.0]))[1] > 100


def test_series_are_ranked_by_their_farthest_point():
    before = {name: NOISE.normal(size=50) for name in "abc"}
    during = {"a": np.array([0.1]), "b": np.array([-9.0, 0.0]), "c": np.array([np.nan])}
    found = rank_series(before, during)
    assert [each.name for each in found] == ["b", "a", "c"]
    assert "below" in found[0].sentence
    assert found[2].coverage == 0


def test_a_change_of_level_is_found_with_an_interval_that_holds_it():
    values = np.concatenate([NOISE.normal(5, 1, 60), NOISE.normal(9, 1, 40)])
    (found,) = change_points(values)
    assert found.low <= 60 <= found.high
    assert found.high - found.low < 10
    assert found.before < 6 < 8 < found.after


def test_gaps_are_skipped_and_spikes_are_not_changes():
    values = NOISE.normal(5, 1, 80)
    values[[10, 11]] = np.nan
    values[40] = 500
    assert change_points(values) == []


def test_the_start_is_told_in_the_times_given():
    values = np.concatenate([NOISE.normal(0, 1, 50), NOISE.normal(8, 1, 30)])
    times = [1000 + 60 * at for at in range(80)]
    found = onset(times, values)
    assert found.low <= 1000 + 60 * 50 <= found.high
    assert onset(times[:50], values[:50]).at is None


@settings(max_examples=10)
@given(st.floats(0.1, 100), st.floats(-1000, 1000))
def test_units_do_not_matter(scale, shift):
    values = np.concatenate([np.sin(np.arange(40)), 6 + np.sin(np.arange(30))])
    assert [each.at for each in change_points(values)] == [
        each.at for each in change_points(values * scale + shift)
    ]
