"""What an alert's labels say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.alerts import labels

names = st.text(alphabet="abcdefgh_", min_size=1, max_size=8)
values = st.text(min_size=1, max_size=12).filter(str.strip)
label_sets = st.dictionaries(names, values, max_size=6)


@given(label_sets, st.randoms())
def test_order_says_nothing(given_labels: dict[str, str], chance: random.Random) -> None:
    pairs = list(given_labels.items())
    chance.shuffle(pairs)
    assert labels.fingerprint(dict(pairs)) == labels.fingerprint(given_labels)


@given(label_sets, st.sampled_from(sorted(labels.NOT_IDENTITY)), values)
def test_which_server_told_of_it_says_nothing(given_labels: dict[str, str], name: str, value: str) -> None:
    assert labels.fingerprint({**given_labels, name: value}) == labels.fingerprint(given_labels)


@given(label_sets, names)
def test_an_empty_label_is_an_absent_one(given_labels: dict[str, str], name: str) -> None:
    without = {other: value for other, value in given_labels.items() if other != name}
    assert labels.fingerprint({**without, name: ""}) == labels.fingerprint(without)


@given(label_sets, label_sets)
def test_other_labels_are_another_condition(one: dict[str, str], other: dict[str, str]) -> None:
    def identity(given_labels: dict[str, str]) -> dict[str, str]:
        return {name: value.strip() for name, value in given_labels.items()}

    same = identity(one) == identity(other)
    assert (labels.fingerprint(one) == labels.fingerprint(other)) == same


def test_a_source_may_name_further_external_labels() -> None:
    seen = {"alertname": "Down", "region": "eu"}
    assert labels.fingerprint(seen, ["region"]) == labels.fingerprint({"alertname": "Down"})


@pytest.mark.parametrize(
    ("given_labels", "severity"),
    [
        ({"severity": "page"}, "critical"),
        ({"severity": "Critical "}, "critical"),
        ({"priority": "P2"}, "error"),
        ({"level": "info"}, "info"),
        ({"severity": "purple"}, "warning"),
        ({}, "warning"),
    ],
)
def test_severities_of_many_houses_become_ours(given_labels: dict[str, str], severity: str) -> None:
    assert labels.severity(given_labels) == severity


def test_the_service_label_is_likelier_the_service_than_the_job() -> None:
    assert labels.service_names({"job": "node", "service": "checkout", "app": "checkout"}) == [
        "checkout",
        "node",
    ]


def test_the_summary_is_the_first_annotation_that_says_something() -> None:
    assert labels.summary({"summary": " ", "description": "Settlements fail."}) == "Settlements fail."
    assert labels.summary({}) == ""
