"""Redaction: what is withheld, from where, and what is left to compare."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from sightline import expressions, snapshots, testing, wire
from sightline.errors import Withheld
from sightline.redaction import NAMES, STRONG_WORDS, Redactor, is_card_number, length_class
from tests.observed import shop

REDACTOR = Redactor(hash_key=b"a key for tests")


def capture(value: Any, redactor: Redactor = REDACTOR, **named: Any) -> wire.Value:
    return snapshots.write_value(
        snapshots.copy_value(value, wire.Limits(deadline_ms=10_000)), redactor, **named
    )[0]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "db_password_hash",
        "passwordRepeat",
        "token",
        "access_token",
        "X-Auth-Token",
        "api_key_id",
        "APIKey",
        "HTTPAuthorization",
        "client_secret",
        "Set-Cookie",
        "sid",
        "card",
        "credit_card_number",
        "ssn",
        "user.password",
        "otp",
    ],
)
def test_secret_names_are_withheld_however_they_are_written(name: str) -> None:
    assert REDACTOR.name_rule(name).startswith("name: ")


@pytest.mark.parametrize(
    "name",
    [
        "token_count",
        "inside",
        "company",
        "card_type",
        "compass",
        "passenger",
        "spinning",
        "author",
        "designed",
        "x",
        "",
    ],
)
def test_names_that_only_resemble_them_are_not(name: str) -> None:
    assert REDACTOR.name_rule(name) == ""


def test_there_are_about_a_hundred_names_and_each_is_reached_by_its_own_rule() -> None:
    assert len(NAMES | STRONG_WORDS) > 100
    assert all(REDACTOR.name_rule(name) for name in NAMES | STRONG_WORDS)


def test_a_team_adds_names_and_its_operators_allow_some() -> None:
    redactor = Redactor(wire.RedactionRules(names=["customer_ref", "acme_*"]), allowed_names=["sid"])
    assert redactor.name_rule("customerRef") == "name: customerref"
    assert redactor.name_rule("acme_code") == "name: acme_*"
    assert redactor.name_rule("sid") == ""


def test_everything_below_a_secret_name_is_withheld() -> None:
    secret = {"credentials": {"user": "ada", "pin": [1, 2]}, b"password": 5, "order": {"token": "t"}}
    sent = wire.encode(capture(secret))
    assert b"ada" not in sent
    assert capture(secret).entries[0][1].redacted == "name: credentials"  # type: ignore[index]


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "secret", "rule"),
    [
        ("write to ada@example.org now", "ada@example.org", "value: e-mail"),
        ("paid with 4111 1111 1111 1111.", "4111 1111 1111 1111", "value: card number"),
        ("12 5500-0000-0000-0004", "5500-0000-0000-0004", "value: card number"),
        ("PAN4111111111111111", "4111111111111111", "value: card number"),
        ("postgres://ada:hunter2@db/x", "hunter2", "value: url with credentials"),
        ("https://ghp@github.com/x", "ghp@", "value: url with credentials"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.sig-na_ture", "eyJhbGciOiJIUzI1", "value: jwt"),
        ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "value: api key"),
        ("ghp_" + "a1B2" * 9, "a1B2", "value: api key"),
        ("sk_" + "live_" + "a1B2c3D4e5F6", "a1B2c3D4e5F6", "value: api key"),
        ("slp_abcdef_" + "x" * 43, "x" * 43, "value: api key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END", "MIIE", "value: private key"),
        ("got Bearer abcdef0123456789", "abcdef0123456789", "value: authorization header"),
        ("Basic YWRhOmh1bnRlcjI=", "YWRhOmh1bnRlcjI=", "value: authorization header"),
        ("DE89 3704 0044 0532 0130 00", "3704 0044", "value: iban"),
        ("ssn 078-05-1120", "078-05-1120", "value: social security number"),
        ("a=1&password=hunter2&b=2", "hunter2", "name: password"),
        ('{"api_key": "hunter2", "x": 1}', "hunter2", "name: apikey"),
        ("https://x.org/?x=1&access_token=hunter2", "hunter2", "name: accesstoken"),
        ("Cookie: sessionid=hunter2", "hunter2", "name: cookie"),
    ],
)
def test_secrets_are_found_in_texts(text: str, secret: str, rule: str) -> None:
    assert REDACTOR.text_rule(text) == rule
    assert secret not in REDACTOR.mask(text)
    assert capture(text).redacted == rule
    assert capture(text.encode()).redacted == rule
    assert secret.encode() not in wire.encode(capture({text: 1, "nested": [text]}))


@pytest.mark.parametrize(
    "text",
    [
        "order 4711 took 12.50",
        "4f1c0b9e-7f2b-4c7e-9a51-8f6d4c1f0a77",
        "4111 1111 1111 1112",
        "2024-01-02T03:04:05.123456",
        "Basic understanding needed",
        "http://example.org/a?b=c",
        "a@b",
        "0.4111111111111111",
        "pages: 12",
        "1700000000000000000",
    ],
)
def test_ordinary_texts_leave_as_they_are(text: str) -> None:
    assert REDACTOR.mask(text) == text
    assert capture(text).value == text


@pytest.mark.parametrize(
    "pair",
    [
        (b"cookie", b"session=hunter2"),
        ["Cookie", "session=hunter2"],
        (b"Cookie", b"cookie", b"session=hunter2"),
        ("password", ["hunter2"]),
    ],
)
def test_what_stands_beside_a_secret_name_in_a_pair_is_withheld(pair: Any) -> None:
    written = capture([(b"host", b"example.org"), pair])
    assert [each.value for each in written.items[0].items] == ["host", "example.org"]  # type: ignore[index, union-attr]
    name, *beside = written.items[1].items  # type: ignore[index, misc]
    assert name.value in ("cookie", "Cookie", "password")
    assert {each.redacted for each in beside} <= {"name: cookie", "name: password"}
    assert b"hunter2" not in wire.encode(written)


def test_a_set_or_a_longer_row_is_no_pair() -> None:
    for row in ({"password", "hunting"}, ("password", "hunting", "fishing", "reading")):
        assert b"hunting" in wire.encode(capture(row))


def test_a_card_number_kept_as_a_number_is_withheld() -> None:
    assert is_card_number("4111111111111111")
    assert capture(4111111111111111).redacted == "value: card number"
    assert capture(4111111111111112).value == 4111111111111112


def test_a_secret_that_begins_before_the_cut_is_seen_whole() -> None:
    limits = wire.Limits(length=20)
    text = "x" * 12 + " ada@example.org"
    assert snapshots.write_value(text, REDACTOR, limits=limits)[0].redacted == "value: e-mail"


@pytest.mark.parametrize(
    "piece",
    ["eyJ-", "1 ", "a@", "Basic A", "a-", "password=", "://", "x@y.", "GB29 ", "-----BEGIN ", "bearer "],
)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    """Four thousand characters made to restart every pattern everywhere; the suite's time-out would notice a square."""
    for _ in range(20):
        REDACTOR.findings(piece * (4096 // len(piece)))


def test_a_teams_own_patterns_are_linear_and_fail_closed() -> None:
    redactor = Redactor(wire.RedactionRules(values=["ACME-[0-9]+"]))
    assert redactor.text_rule("see ACME-17") == "value: ACME-[0-9]+"
    assert redactor.text_rule("see ACME") == ""
    broken = Redactor(wire.RedactionRules(values=["(?=x)"]))
    assert broken.text_rule("anything at all").startswith("value: unreadable rule")


# ---------------------------------------------------------------- types and paths


class Wallet:
    def __init__(self) -> None:
        self.amount = 5


def test_types_and_paths_can_be_withheld() -> None:
    redactor = Redactor(wire.RedactionRules(types=["*.Wallet"], paths=["order.customer.*"]))
    written = capture({"w": Wallet(), "n": 1}, redactor)
    assert written.entries is not None
    assert written.entries[0][1].redacted == "type: *.Wallet"
    order = capture({"customer": {"name": "Ada"}, "amount": 3}, redactor, path="order")
    assert b"Ada" not in wire.encode(order)
    assert order.entries is not None
    assert order.entries[1][1].value == 3


def test_what_cannot_be_judged_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    monkeypatch.setattr(redactor, "text_rule", lambda text: 1 / 0)
    assert capture("anything", redactor) == wire.Value("str", redacted="failed")
    assert b"anything" not in wire.encode(capture(["anything"], redactor))


# ---------------------------------------------------------------- what is left


def test_equal_secrets_have_equal_hashes_and_only_under_one_key() -> None:
    def hashed(value: Any, key: bytes = b"one") -> bytes | None:
        return capture(value, Redactor(hash_key=key), name="password").hash

    assert hashed("a") == hashed("a") != hashed("b")
    assert hashed("1") != hashed(1) != hashed(True)
    assert hashed("a", b"two") != hashed("a")
    assert len(hashed("a") or b"") == 16
    assert hashed(["a"]) is None


def test_a_withheld_value_keeps_its_type_and_the_class_of_its_length() -> None:
    written = capture("hunter2", name="password")
    assert (written.type, written.note, written.size) == ("str", "length 1 to 8", None)
    assert [length_class(size) for size in (0, 1, 8, 9, 16, 17, 1000)] == [
        "length 0",
        "length 1 to 8",
        "length 1 to 8",
        "length 9 to 16",
        "length 9 to 16",
        "length 17 to 32",
        "length 513 to 1024",
    ]


def test_a_dry_run_tells_what_would_leave() -> None:
    values = {"order": capture({"amount": 5, "token": "abc", "ada@example.org": [1]})}
    lines = {line.path: line for line in REDACTOR.explain(values)}
    assert lines["order['amount']"].leaves == "5"
    assert lines["order['token']"].rule == "name: token"
    assert lines["order[withheld: value: e-mail][0]"].leaves == "1"


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    "text",
    [
        "password == 'guess'",
        "user.password[0] == 'a'",
        "d['password'].startswith('a')",
        "len(password) > 3",
        "'x' in token",
        "matches(password, '^a')",
        "f'{password}!'",
        "password + ''",
        "[password]",
        "any(c == 'a' for c in password)",
        "d.get('token') > 'a'",
        "password[0:2]",
        "password < 'm'",
        "1 if password else 2",
    ],
)
def test_an_expression_cannot_guess_at_a_secret(text: str) -> None:
    with pytest.raises(Withheld, match="withheld by the rule"):
        expressions.compile(expressions.parse(text), REDACTOR.name_rule)


def test_an_expression_may_ask_whether_a_secret_is_there() -> None:
    scope = {"password": "hunter2", "d": {"token": None}}
    for text, answer in (
        ("is_none(password)", False),
        ("password is None", False),
        ("not password", False),
        ("type_name(password)", "str"),
        ("d['token'] is not None", False),
    ):
        assert expressions.compile(expressions.parse(text), REDACTOR.name_rule).evaluate(scope) == answer


def test_a_secret_by_itself_is_shown_withheld() -> None:
    compiled = expressions.compile(expressions.parse("user.password"), REDACTOR.name_rule)
    assert (compiled.withheld, compiled.path) == ("name: password", "user.password")
    assert (
        expressions.compile(expressions.parse("x or password"), REDACTOR.name_rule).withheld
        == "name: password"
    )


def test_a_key_that_is_computed_reaches_no_secret_either() -> None:
    scope = {"d": {"password": "hunter2", "x": 1}, "k": "password"}
    for text in (
        "d[k]",
        "d['pass' + 'word']",
        "d.get(k)",
        "any(v == 1 for v in d.values())",
        "d.items()",
        "d[k][0]",
    ):
        with pytest.raises(Withheld):
            expressions.compile(expressions.parse(text), REDACTOR.name_rule).evaluate(scope)
    assert expressions.compile(expressions.parse("d['x']"), REDACTOR.name_rule).evaluate(scope) == 1


def test_secrets_in_the_variables_of_a_frame_do_not_leave() -> None:
    def pay(card: str, note: str) -> list[wire.Frame]:
        holder = {"cvv": 123, "mail": "ada@example.org"}
        assert holder
        return snapshots.write(snapshots.copy_frames(sys._getframe(), wire.Limits(frames=1)), REDACTOR)[0]

    sent = wire.encode(pay("4111111111111111", "call 4111111111111111")[0])
    assert b"4111" not in sent
    assert b"ada@" not in sent
    assert b"123" not in sent


class TestRulesOfAProcess:
    """What the sensor's own settings withhold and allow, beside the environment's rules."""

    def test_names_may_be_added_and_allowed(self):
        with testing.gateway(redact="customer_ref,acme_*", allow="sid") as gateway:
            rule = gateway.sensor.room.redactor.name_rule
            assert rule("customer_ref") == "name: customerref"
            assert rule("acme_id") == "name: acme_*"
            assert (rule("sid"), rule("password")) == ("", "name: password")

    def test_what_the_environment_withholds_is_withheld_though_the_process_allows_it(self):
        with testing.gateway(allow="sid,acme_id") as gateway:
            gateway.sensor.on_terms(wire.RedactionRules(names=["sid", "acme_*"]))
            rule = gateway.sensor.room.redactor.name_rule
            assert (rule("sid"), rule("acme_id")) == ("name: sid", "name: acme_*")

    def test_new_rules_hold_for_probes_that_are_armed(self, line_of):
        with testing.gateway() as gateway:
            probe = gateway.place(
                "logpoint", file="observed/shop.py", line=line_of(shop, "check"), template="{order.customer}"
            )
            shop.check(shop.Order(1, "ada"), 2)
            assert gateway.captures(probe)[0].message == "ada"
            gateway.sensor.on_terms(wire.RedactionRules(names=["customer"]))
            shop.check(shop.Order(1, "ada"), 2)
            assert "ada" not in gateway.captures(probe)[1].message
            assert gateway.status(probe).state == "armed"
