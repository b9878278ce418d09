"""A small shop behind Flask, for `bench/recording.py`: a request makes about 60 calls of the shop's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask

app = flask.Flask("ordering")
ORDER = {"customer": "c-17", "lines": [{"sku": f"sku-{n}", "quantity": n % 3 + 1} for n in range(20)]}
PRICES = {f"sku-{n}": 1999 + n for n in range(20)}


@app.post("/orders/<customer>")
def order(customer: str) -> Any:
    lines = [check(line) for line in flask.request.get_json()["lines"]]
    return {"customer": customer, "lines": lines, "total": total(lines)}


def check(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "price": price(line["sku"]), "label": label(line)}


def price(sku: str) -> int:
    return PRICES[sku]


def label(line: dict[str, Any]) -> str:
    return f"{line['quantity']} x {line['sku'].upper()}"


def total(lines: list[dict[str, Any]]) -> int:
    return sum(line["quantity"] * line["price"] for line in lines)


def client() -> Callable[[], None]:
    """Asks once on being called."""
    browser = app.test_client()

    def ask() -> None:
        assert browser.post("/orders/c-17", json=ORDER).status_code == 200

    return ask
