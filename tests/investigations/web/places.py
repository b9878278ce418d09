"""The places of the rail, for tests that need no views behind them."""

from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("sessions/", lambda request: HttpResponse(), name="sessions"),
    path("fleet/", lambda request: HttpResponse(), name="fleet"),
]
