"""Which door answers which path."""

from django.contrib import admin
from django.urls import include, path

from investigations.api.app import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("", include("investigations.supervise.urls")),
    path("", include("investigations.web.urls")),
]
