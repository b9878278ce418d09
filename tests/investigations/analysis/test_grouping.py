from investigations.analysis.grouping import Alert, Grouper, hops_over

HOPS = {frozenset(["web", "orders"]): 1}


def grouper():
    return Grouper(hops=lambda one, other: 0 if one == other else HOPS.get(frozenset([one, other])))


def alert(id, at, service="orders", summary="errors above 5 in orders", shared=(), **labels):
    return Alert(id, at, service, {"team": "shop", **labels}, summary, frozenset(shared))


def test_alerts_of_neighbours_at_one_time_form_a_group_that_says_why():
    groups = grouper()
    groups.add(alert("A", 0))
    assert groups.add(Alert("B", 20, "billing", {"team": "money"}, "disk is full")).group == "B"
    joined = groups.add(alert("C", 30))
    assert (joined.group, joined.like) == ("A", "A")
    assert "both about orders" in joined.sentence
    assert "30 s apart" in joined.sentence


def test_a_shared_deploy_brings_neighbours_together():
    groups = grouper()
    groups.add(alert("A", 0, shared=["deploy 7"]))
    joined = groups.add(alert("B", 5, service="web", shared=["deploy 7"]))
    assert joined.group == "A"
    assert "1 call apart" in joined.sentence
    assert "deploy 7" in joined.sentence


def test_what_came_long_ago_is_not_joined():
    groups = grouper()
    groups.add(alert("A", 0))
    assert groups.add(alert("B", 3600)).group == "B"


def test_labels_that_always_differ_weigh_nothing():
    groups = grouper()
    for at in range(10):
        groups.add(Alert(f"old{at}", at, "cron", {"pod": f"p{at}"}))
    groups.add(alert("A", 100, pod="x1"))
    joined = groups.add(alert("B", 101, pod="x2"))
    assert joined.parts["labels"] == 1


def test_hops_are_counted_along_the_calls_either_way_and_not_beyond_what_means_anything():
    hops = hops_over([("web", "orders"), ("orders", "mail"), ("mail", "spool"), ("spool", "disk")])
    assert [hops("web", each) for each in ("web", "orders", "mail", "spool", "disk")] == [0, 1, 2, 3, None]
    assert hops("mail", "web") == 2
    assert hops("web", "elsewhere") is None
    assert hops("elsewhere", "web") is None
    assert hops("", "") is None
