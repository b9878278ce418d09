from datetime import UTC, datetime, timedelta

import pytest

from investigations.web import plots

START = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)
WINDOW = plots.Window(START, START + timedelta(minutes=20))


def minute(count):
    return START + timedelta(minutes=count)


def test_a_moment_stands_at_its_share_of_the_window():
    assert WINDOW.at(minute(5)) == "25%"
    assert WINDOW.at(minute(-5)) == "0%"
    assert WINDOW.between(minute(5), None) == {"x": "25%", "width": "75%"}


def test_ticks_are_round_minutes_inside_the_window():
    assert [tick["text"] for tick in WINDOW.ticks()] == ["02:35", "02:40", "02:45"]


def test_a_curve_is_cut_where_it_crosses_the_threshold():
    drawn = plots.curve([(0, 0.0), (1, 2.0)], width=100, height=100, threshold=1.0, pad=0)
    assert drawn.under == "M0 100L50 50"
    assert drawn.over == "M50 50L100 0"
    assert drawn.area == "M50 50L50 50L100 0L100 50Z"


def test_a_curve_without_threshold_is_one_line():
    drawn = plots.curve([(0, 1.0), (0.5, 3.0), (1, 2.0)], width=10, height=10, pad=0)
    assert drawn.over == ""
    assert drawn.under.count("M") == 1


def test_no_data_breaks_the_line_and_is_a_gap_not_a_zero():
    drawn = plots.curve([(0, 1.0), (0.25, None), (0.5, None), (0.75, 1.0), (1, 1.0)], width=4, height=4)
    assert drawn.under.count("M") == 2
    assert drawn.gaps == [{"x": "0%", "width": "75%"}]


def test_a_series_that_never_answered_is_one_gap():
    assert plots.sparkline([None, None, None]).label == "no data"
    assert plots.sparkline([None, None, None]).curve.gaps == [{"x": "0%", "width": "100%"}]


@pytest.mark.parametrize("values", [[], [3.0], [0.0, 0.0], [5.0, 5.0, 5.0]])
def test_a_sparkline_of_anything_can_be_drawn(values):
    assert plots.sparkline(values, threshold=1.0).width == 132


def test_endings_fill_the_bar_in_order_and_keep_small_counts_visible():
    rects = plots.endings({"condition_false": 100_000, "captured": 3, "rate_limited": 0})
    assert [rect["word"] for rect in rects] == ["captured", "condition false"]
    widths = [float(rect["width"][:-1]) for rect in rects]
    assert widths[0] > 0.5
    assert sum(widths) == pytest.approx(100, abs=0.02)


def test_no_hit_is_no_bar():
    assert plots.endings({}) == []


@pytest.mark.parametrize(
    ("used", "style"),
    [(None, ""), (0.0, "used"), (0.004, "used"), (0.012, "most"), (0.02, "spent"), (0.05, "spent")],
)
def test_a_budget_is_drawn_by_how_much_of_it_is_used(used, style):
    assert plots.budget(used, 0.02)["style"] == style


def test_mirrored_bars_are_shares_of_their_own_side():
    bars = plots.mirrored([("bool True", 131, 0), ("bool False", 46, 0), ("str 'true'", 0, 37)])
    assert (bars["passing"], bars["failing"]) == (177, 37)
    assert bars["rows"][2]["right_width"] == "30%"
    assert bars["rows"][0]["right_width"] == "0%"


def test_distributions_reach_the_top_at_the_largest_value():
    curves = plots.shares_below([1.0, 2.0, 2.0], [3.0])
    assert curves["passing"] == "M0 84H0V57.33H500V4H1000"
    assert curves["failing"] == "M0 84H1000V4H1000"
    assert (curves["low"], curves["high"]) == ("1", "3")


def test_an_effect_stands_between_more_in_pass_and_more_in_fail():
    assert plots.effect(0.0, -1.0, 1.0) == {"estimate": "50%", "low": "2%", "high": "98%"}


def test_windows_that_overlap_or_whose_words_would_take_rows_of_their_own():
    spans = [
        plots.ProbeSpan("P1", "", minute(0), minute(10), "armed"),
        plots.ProbeSpan("P2", "", minute(5), minute(8), "done"),
        plots.ProbeSpan("P3", "", minute(9), None, "asked"),
    ]
    drawn = plots.timeline(WINDOW, probes=spans)
    tops = [probe["y"] for probe in drawn.probes]
    assert len(set(tops)) == 3
    assert drawn.probe_rows == 3


def test_time_in_which_no_probe_was_armed_is_hatched_up_to_now():
    drawn = plots.timeline(
        WINDOW, now=minute(15), probes=[plots.ProbeSpan("P1", "", minute(5), minute(10), "done")]
    )
    assert drawn.gaps == [{"x": "0%", "width": "25%"}, {"x": "50%", "width": "25%"}]


def test_a_probe_that_is_only_asked_for_watches_nothing():
    drawn = plots.timeline(
        WINDOW, now=minute(10), probes=[plots.ProbeSpan("P1", "", minute(0), None, "asked")]
    )
    assert drawn.gaps == [{"x": "0%", "width": "50%"}]


def test_passing_goes_up_and_failing_down_from_one_baseline():
    drawn = plots.timeline(WINDOW, buckets=[plots.Bucket(minute(1), passing=4, failing=2)])
    up, down = drawn.bars
    assert (up["style"], down["style"]) == ("up", "down")
    assert float(up["y"]) + float(up["height"]) == drawn.tops["baseline"]
    assert float(down["y"]) == drawn.tops["baseline"] + 1
    assert (drawn.passing, drawn.failing) == (4, 2)


def test_what_lies_outside_the_window_is_left_out():
    changes = [
        plots.Happening(minute(-1), "deploy", "4.17.0"),
        plots.Happening(minute(1), "deploy", "4.18.0"),
    ]
    assert [change["title"] for change in plots.timeline(WINDOW, changes=changes).changes] == ["4.18.0"]


def test_the_drawing_says_in_words_what_it_shows():
    metric = plots.MetricLine(
        "Rejections", "%", [(minute(0), 0.3), (minute(10), 3.8)], 1.0, fired_at=minute(11)
    )
    drawn = plots.timeline(WINDOW, metric=metric, changes=[plots.Happening(minute(1), "deploy", "4.18.0")])
    assert drawn.description == (
        "Rejections between 0.3 and 3.8 %; firing since 02:41; deploy 4.18.0 at 02:31:00."
    )


def test_a_session_in_which_nothing_happened_says_so():
    assert plots.timeline(WINDOW).description == "Nothing has been recorded yet."
