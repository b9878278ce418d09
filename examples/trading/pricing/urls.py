"""The addresses of pricing-service."""

from django.urls import path

from pricing import views

urlpatterns = [
    path("quotes/<str:symbol>", views.show_quote),
    path("metrics", views.show_metrics),
    path("healthz", views.show_health),
]
