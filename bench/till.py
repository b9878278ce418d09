"""A shop's till behind HTTP, as somebody might have written it: prices a basket in plain Python. Served by gunicorn."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from flask import Flask, Response, jsonify, request

app = Flask(__name__)
DISCOUNTS = {"books": Decimal("0.05"), "tools": Decimal("0.10"), "seeds": Decimal("0.00")}
VAT = {"books": Decimal("0.07"), "tools": Decimal("0.19"), "seeds": Decimal("0.07")}
CENT = Decimal("0.01")


class Basket:
    """What one customer puts on the counter."""

    def __init__(self, number: int, lines: list[dict[str, Any]]) -> None:
        self.number = number
        self.lines = lines

    def price(self) -> Decimal:
        """The sum with discounts and tax, rounded line by line as the law asks."""
        total = Decimal(0)
        for line in self.lines:
            net = Decimal(line["price"]) * line["count"] * (1 - DISCOUNTS[line["group"]])
            total += (net * (1 + VAT[line["group"]])).quantize(CENT)
        return total


def sell(basket: Basket) -> dict[str, Any]:
    """Price a basket; the answer says which process did it."""
    total = basket.price()
    receipt = {"number": basket.number, "total": str(total), "pid": os.getpid()}
    return receipt  # PROBE:sold


@app.post("/sales")
def take_sale() -> Response:
    asked = request.get_json()
    return jsonify(sell(Basket(asked["number"], asked["lines"])))


@app.get("/healthz")
def show_health() -> Response:
    return jsonify(status="ok")
