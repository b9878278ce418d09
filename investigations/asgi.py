"""One port for every door: MCP, pages and REST over HTTP, pages and sensors over websockets."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "investigations.settings")
django_application = get_asgi_application()  # sets Django up; the imports below need models

from django.urls import path, re_path  # noqa: E402

import investigations.urls  # noqa: E402, F401 (else the first request would wait for every page to be imported)
from investigations.gateway.consumers import SensorConsumer  # noqa: E402
from investigations.mcp.asgi import with_mcp  # noqa: E402
from investigations.web.consumers import urlpatterns as page_sockets  # noqa: E402

# A sensor is no browser: it sends no Origin and proves its token instead.
application = ProtocolTypeRouter(
    {
        "http": with_mcp(django_application),
        "websocket": URLRouter(
            [
                path("sensor/v1", SensorConsumer.as_asgi()),
                # A pattern, not a path: behind the validators nobody sees that the routing goes on.
                re_path("", AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(page_sockets)))),
            ]
        ),
    }
)
