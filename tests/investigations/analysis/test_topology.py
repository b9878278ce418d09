import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from investigations.analysis.topology import NodeSeries, rank_causes

CALLS = [
    ("web", "orders"),
    ("web", "search"),
    ("orders", "db"),
    ("search", "db"),
    ("web", "orders at the balancer"),
]
NOISE = np.random.default_rng(8)


def series(level, risen=0.0, requests=100.0):
    before = level + NOISE.normal(0, level / 20, 200)
    return NodeSeries(
        before, np.array([level + risen, level + risen * 1.1, level + risen]), np.full(3, requests)
    )


def shop(**risen):
    levels = {"web": 0.1, "orders": 0.05, "search": 0.03, "db": 0.01, "orders at the balancer": 0.05}
    return {name: series(level, risen.get(name.replace(" ", "_"), 0.0)) for name, level in levels.items()}


def test_the_node_that_lost_the_time_itself_comes_first():
    found = rank_causes(CALLS, shop(web=0.2, orders=0.2), "web")
    assert found.verdict == "wrong"
    assert found.causes[0].node == "orders"
    assert found.causes[0].score > 0.9


def test_trouble_is_followed_to_where_it_starts():
    found = rank_causes(CALLS, shop(web=0.2, orders=0.2, db=0.2), "web")
    assert found.causes[0].node == "db"


def test_the_view_from_outside_does_not_come_before_the_node_itself():
    found = rank_causes(CALLS, shop(web=0.2, orders=0.2, orders_at_the_balancer=0.2), "web")
    assert found.causes[0].node == "orders"


def test_what_is_wrong_elsewhere_is_not_reached_over_calls_that_are_well():
    found = rank_causes(CALLS, shop(web=0.2, db=0.2), "web")
    assert [each.node for each in found.causes] == ["web"]


def test_nothing_wrong_is_an_answer():
    found = rank_causes(CALLS, shop(), "web")
    assert found.verdict == "nothing_wrong"
    assert found.causes == ()
    assert found.sentence.startswith("Nothing is wrong")


def test_a_level_that_was_there_before_is_not_what_changed():
    nodes = shop(web=0.2, orders=0.2, search=0.2)
    old = nodes["search"]
    nodes["search"] = NodeSeries(old.before, old.during, old.requests, recent=np.full(3, 0.24))
    assert [each.node for each in rank_causes(CALLS, nodes, "web").causes][:1] == ["orders"]


def test_no_data_is_not_no_trouble():
    nodes = shop()
    nodes["web"] = NodeSeries(nodes["web"].before, np.full(3, np.nan), np.full(3, 100.0))
    assert rank_causes(CALLS, nodes, "web").verdict == "no_data"


def test_a_fault_deep_down_is_found_though_others_call_it_too():
    found = rank_causes(CALLS, shop(web=0.2, orders=0.2, search=0.2, db=0.2), "web")
    assert found.causes[0].node == "db"
    assert found.causes[0].p <= found.causes[0].q < 0.05
    assert found.causes[0].low < found.causes[0].excess < found.causes[0].high


def test_a_level_that_sank_before_does_not_hide_what_rose():
    nodes = shop(web=0.04)
    before = nodes["orders"].before
    nodes["orders"] = NodeSeries(before, np.full(3, 0.055), np.full(3, 100.0), recent=np.full(2, 0.025))
    assert rank_causes(CALLS, nodes, "web").causes[0].node == "orders"


def test_trouble_goes_unseen_through_nodes_without_data():
    nodes = shop(web=0.2, orders=0.2, db=0.2)
    del nodes["orders"]
    assert rank_causes(CALLS[:3], nodes, "web").causes[0].node == "db"


def test_nodes_count_alike_where_nobody_counts_requests():
    nodes = {
        name: NodeSeries(each.before, each.during, np.full(3, np.nan))
        for name, each in shop(web=0.2, orders=0.2).items()
    }
    assert rank_causes(CALLS, nodes, "web").causes[0].node == "orders"


def failures(share=0.0, requests=100.0, usual=100.0, past=200):
    before = np.where(np.arange(past) % 50 == 3, 0.01, 0.0)
    return NodeSeries(before, np.full(3, share), np.full(3, requests), usual_requests=usual)


def test_whom_strangers_answer_for_is_the_one_that_fell_silent():
    nodes = {
        "web": failures(0.3),
        "orders": failures(np.nan, requests=0.0),
        "search": failures(),
        "unknown host": failures(1.0, requests=30, usual=np.nan, past=0),
    }
    found = rank_causes([*CALLS[:2], ("web", "unknown host")], nodes, "web")
    assert found.causes[0].node == "orders"
    assert "fell silent" in found.causes[0].sentence


def test_a_stranger_alone_is_its_callers_doing():
    nodes = {
        "web": failures(0.3),
        "orders": failures(),
        "unknown host": failures(1.0, requests=30, usual=np.nan, past=0),
    }
    assert rank_causes([CALLS[0], ("web", "unknown host")], nodes, "web").causes[0].node == "web"


def test_calls_in_circles_come_to_an_end():
    found = rank_causes([*CALLS, ("db", "web"), ("db", "orders")], shop(web=0.2, orders=0.2, db=0.2), "web")
    assert found.causes[0].node == "db"


@settings(max_examples=20)
@given(st.permutations(sorted(shop())), st.permutations(CALLS), st.sampled_from(["orders", "search", "db"]))
def test_neither_names_nor_order_matter(order, calls, place):
    nodes = shop(web=0.2, **{place: 0.2}, **({"orders": 0.1, "search": 0.1} if place == "db" else {}))
    names = {node: f"n{at}" for at, node in enumerate(order)}
    plain = rank_causes(CALLS, nodes, "web")
    renamed = rank_causes(
        [(names[a], names[b]) for a, b in calls], {names[node]: nodes[node] for node in order}, names["web"]
    )
    assert [each.node for each in renamed.causes] == [names[each.node] for each in plain.causes]
    assert renamed.verdict == plain.verdict
