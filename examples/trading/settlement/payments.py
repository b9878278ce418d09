"""Speaking to the payment gateway, whose answers are not always what its manual says."""

import time
from dataclasses import dataclass

import httpx

POLLS = 10
POLL_SECONDS = 0.3


class GatewayUnclear(Exception):
    """The answer says neither paid nor declined; asking again is safe, the reference stays the same."""


@dataclass(frozen=True, slots=True)
class Payments:
    """The gateway over HTTP. Payments are told apart by our reference: the ids it hands out repeat."""

    http: httpx.Client

    def pay(self, settlement: dict) -> str | None:
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
            answer = self.await_decision(payment["reference"])
        return None if answer["status"] == "paid" else f"declined, code {answer['code']}"

    def await_decision(self, reference: str) -> dict:
        """Ask until a pending payment is decided."""
        for _ in range(POLLS):
            time.sleep(POLL_SECONDS)
            answer = self.read(self.http.get(f"/payments/{reference}"))
            if answer["status"] != "pending":
                return answer
        raise GatewayUnclear(f"still pending after {POLLS} questions")

    @staticmethod
    def read(response: httpx.Response) -> dict:
        """The answer as JSON with a status; a decline comes with HTTP 402 and is an answer as well."""
        if response.status_code != httpx.codes.PAYMENT_REQUIRED:
            response.raise_for_status()
        try:
            return {"status": response.json()["status"], "code": response.json().get("code")}
        except (ValueError, KeyError, TypeError) as error:
            raise GatewayUnclear("malformed answer") from error
