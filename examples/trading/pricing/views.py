"""The pages of pricing-service."""

from decimal import Decimal, InvalidOperation

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from pricing.rates import rate

QUOTES = Counter("pricing_quotes", "Quotes given, by tier", ["tier"])


async def show_quote(request: HttpRequest, symbol: str) -> JsonResponse:
    tier = request.GET.get("tier", "standard")
    try:
        quoted = rate(symbol, Decimal(request.GET["amount"]), tier)
    except (KeyError, InvalidOperation) as error:
        return JsonResponse({"error": f"not a question for a quote: {error!r}"}, status=400)
    QUOTES.labels(tier).inc()
    return JsonResponse({"symbol": symbol, "price": str(quoted.price), "fee": str(quoted.fee)})


async def show_metrics(request: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


async def show_health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})
