"""The people's door: pages, their live sockets and template tags."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "investigations.web"
