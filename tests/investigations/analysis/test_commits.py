from investigations.analysis.commits import Commit, suspect_commits

PRICE, CART = "shop/price.py:12", "shop/cart.py:4"


def commit(id, *parents, touched=(), live_at=None, same_syntax=False):
    files = frozenset(each.split(":")[0] for each in touched)
    return Commit(id, parents, frozenset(touched), files, live_at, same_syntax)


HISTORY = [
    commit("side", "base", touched=[PRICE]),
    commit("new", "mid", touched=[CART], live_at=9_000),
    commit("style", "mid", touched=[PRICE], same_syntax=True),
    commit("mid", "old", touched=[PRICE], live_at=8_000),
    commit("old", "base", touched=[PRICE], live_at=1_000),
    commit("base", touched=[PRICE, CART]),
]


def ranked(**options):
    return [each.commit for each in suspect_commits(HISTORY, "new", {PRICE: 1.0, CART: 0.2}, **options)]


def test_the_newest_change_of_the_most_suspicious_code_comes_first():
    assert ranked(last_good="base")[0] == "mid"


def test_only_what_runs_and_was_not_good_before_is_suspected():
    assert set(ranked(last_good="base")) == {"mid", "old", "new"}
    assert "base" in ranked()
    assert "side" not in ranked()


def test_what_went_live_after_it_began_is_less_likely():
    found = {each.commit: each for each in suspect_commits(HISTORY, "new", {PRICE: 1, CART: 1}, onset=8_500)}
    assert found["new"].parts["onset"] == 0
    assert found["mid"].parts["onset"] > found["old"].parts["onset"]
    assert "shortly before" in found["mid"].sentence


def test_a_captured_stack_is_enough_to_be_named():
    found = suspect_commits(HISTORY, "new", {}, last_good="mid", stack=[CART])
    assert [each.commit for each in found] == ["new"]
