"""Speaking to the payment gateway, whose answers are not always what its manual says."""

import time
from dataclasses import dataclass
from typing import TypedDict

import httpx

POLLS = 10
POLL_SECONDS = 0.3


class Settlement(TypedDict):
    """One trade to be paid for; amounts are text so that no digit is lost on the way."""

    trade_id: str
    account: str
    amount: str
    fee: str
    fraud_reference: str | None


class Answer(TypedDict):
    """What the gateway said, in short: paid, declined or pending; a decline has a code."""

    status: str
    code: str | None


class GatewayUnclear(Exception):
    """The answer says neither paid nor declined; asking again is safe, the reference stays the same."""


@dataclass(frozen=True, slots=True)
class Payments:
    """The gateway over HTTP. Payments are told apart by our reference: the ids it hands out repeat."""

    http: httpx.Client

    def pay(self, settlement: Settlement) -> str | None:
        """Pay one settlement and return the gateway's reason if it declined, else None.

        Raises GatewayUnclear or httpx.HTTPError when it cannot be said.
        """
        payment = {
            "reference": settlement["trade_id"],
            "account": settlement["account"],
            "amount": settlement["amount"],
            "screening": settlement["fraud_reference"],
        }
        answer = self.read(self.http.post("/payments", json=payment))
        if answer["status"] == "pending":
            answer = self.await_decision(settlement["trade_id"])
        return None if answer["status"] == "paid" else f"declined, code {answer['code']}"

    def await_decision(self, reference: str) -> Answer:
        """Ask until a pending payment is decided."""
        for _ in range(POLLS):
            time.sleep(POLL_SECONDS)
            answer = self.read(self.http.get(f"/payments/{reference}"))
            if answer["status"] != "pending":
                return answer
        raise GatewayUnclear(f"still pending after {POLLS} questions")

    @staticmethod
    def read(response: httpx.Response) -> Answer:
        """The answer as JSON with a status; a decline comes with HTTP 402 and is an answer as well."""
        if response.status_code != httpx.codes.PAYMENT_REQUIRED:
            response.raise_for_status()
        try:
            return {"status": response.json()["status"], "code": response.json().get("code")}
        except (ValueError, KeyError, TypeError) as error:
            raise GatewayUnclear("malformed answer") from error
