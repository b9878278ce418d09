"""The sensors' door alone as an ASGI application, so that its tests wait for no other door's."""

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from django.urls import path  # noqa: E402

from investigations.gateway.consumers import SensorConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {"http": django_application, "websocket": URLRouter([path("sensor/v1", SensorConsumer.as_asgi())])}
)
