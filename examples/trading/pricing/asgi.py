"""pricing-service as an ASGI application: a small Django without a database."""

import secrets

from django.conf import settings
from django.core.asgi import get_asgi_application
from opentelemetry.instrumentation.django import DjangoInstrumentor

import telemetry

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[],
    ROOT_URLCONF="pricing.urls",
    SECRET_KEY=secrets.token_urlsafe(),  # Nothing is signed here; Django asks for one all the same.
)
telemetry.start("pricing-service")
DjangoInstrumentor().instrument()
app = get_asgi_application()
