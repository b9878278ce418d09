from django.template.loader import render_to_string

from investigations.web import values
from sightline.wire import Value


def scalar(kind, value, **more):
    return Value(type=kind, value=value, **more)


def request(high_value, kind, venue="XLON"):
    fields = {"high_value": scalar(kind, high_value), "venue": scalar("str", venue)}
    return {"request": Value(type="trades.models.TradeRequest", fields=fields)}


def only(nodes):
    assert len(nodes) == 1
    return nodes[0]


def test_a_value_is_written_as_code_would_write_it():
    assert values.written(scalar("str", "true")) == "'true'"
    assert values.written(scalar("bool", True)) == "True"
    assert values.written(scalar("NoneType", None)) == "None"
    assert values.written(scalar("decimal.Decimal", "48200.00")) == "48200.00"
    assert values.written(scalar("bytes", "\x00ab")) == "b'\\x00ab'"


def test_quotes_and_line_ends_in_a_captured_text_stay_inside_it():
    assert values.written(scalar("str", "a'\nb")) == '"a\'\\nb"'


def test_a_container_shows_its_extent_and_its_children_by_path():
    flags = Value(type="dict", size=1, entries=[(scalar("str", "high_value"), scalar("str", "true"))])
    payload = Value(type="dict", size=2, entries=[(scalar("str", "flags"), flags)])
    row = only(values.tree({"payload": payload}))
    assert (row.extent, row.text) == ("1 of 2", "")
    inner = row.children[0].children[0]
    assert inner.path == "payload['flags']['high_value']"
    assert inner.name == "['high_value']"
    assert inner.depth == 2


def test_what_was_cut_says_by_what_and_how_much_is_left():
    legs = Value(type="list", size=212, items=[scalar("int", 1), scalar("int", 2)], cut="items 2 of 212")
    note = scalar("str", "pls fill", size=1940, cut="length")
    client = Value(type="dict", size=4, entries=[], cut="depth")
    rows = values.tree({"legs": legs, "note": note, "client": client})
    assert [(row.extent, row.cut) for row in rows] == [
        ("2 of 212", "items"),
        ("", "8 of 1,940"),
        ("4 items", "depth"),
    ]


def test_a_redacted_value_shows_its_rule_and_never_a_text():
    row = only(values.tree({"account": Value(type="str", size=8, redacted="account", hash=b"\x5e\x1a\x00")}))
    assert (row.redacted, row.text, row.mark) == ("account", "", "5e1a")


def test_a_type_that_differs_outweighs_the_value():
    pair = only(values.pairs(request(True, "bool"), request("true", "str")))
    assert pair.standing == "inside-differs"
    assert {child.name: child.standing for child in pair.children} == {
        "high_value": "type-differs",
        "venue": "same",
    }


def test_equal_captures_differ_nowhere():
    pair = only(values.pairs(request(True, "bool"), request(True, "bool")))
    assert not pair.differs


def test_a_name_that_only_one_side_has_is_shown_with_its_absence():
    by_name = {pair.name: pair for pair in values.pairs({"a": scalar("int", 1)}, {"b": scalar("int", 2)})}
    assert by_name["a"].failing is None
    assert by_name["b"].passing is None
    assert by_name["a"].standing == "missing-differs"


def test_what_is_missing_below_a_cut_may_well_have_been_there():
    whole = Value(type="Desk", fields={"fraud": Value(type="Client", fields={"port": scalar("int", 80)})})
    pair = only(values.pairs({"self": Value(type="Desk", cut="deadline")}, {"self": whole}))
    assert not pair.differs
    assert [child.standing for child in pair.children] == ["unseen"]
    assert [child.standing for child in pair.children[0].children] == ["unseen"]
    html = render_to_string("components/value_pair_cells.html", {"pair": pair.children[0]})
    assert "not captured" in html
    assert "not there" not in html


def test_redacted_values_are_equal_by_their_hash_alone():
    def secret(mark):
        return {"key": Value(type="str", redacted="token", hash=mark)}

    assert only(values.pairs(secret(b"\x01\x02"), secret(b"\x01\x02"))).standing == "same"
    assert only(values.pairs(secret(b"\x01\x02"), secret(b"\x03\x04"))).standing == "value-differs"


def test_a_long_list_stays_folded_even_where_it_differs():
    many = Value(type="list", size=40, items=[scalar("int", index) for index in range(40)])
    pair = only(values.pairs({"legs": Value(type="list", size=0, items=[])}, {"legs": many}))
    assert pair.differs
    assert not pair.open


def test_a_type_that_passing_captures_do_not_hold_is_marked_in_a_single_tree():
    usual = values.types(values.tree(request(True, "bool")))
    failing = only(values.tree(request("true", "str"), usual=usual))
    assert usual["request.high_value"] == "bool"
    assert {child.name: child.unusual for child in failing.children} == {"high_value": True, "venue": False}
    assert not failing.unusual


def test_a_path_that_no_passing_capture_holds_is_not_called_unusual():
    assert not only(values.tree({"new": scalar("int", 1)}, usual={})).unusual
