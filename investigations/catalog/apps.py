"""What runs: services and their instances, as sensors report them."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "investigations.catalog"
