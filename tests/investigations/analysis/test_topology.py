import numpy as np

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
