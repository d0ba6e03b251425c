"""The project as an ASGI application: pages, static files, and WebSockets on Channels."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

pages = ASGIStaticFilesHandler(get_asgi_application())

from django_site import consumers  # noqa: E402 - once Django is set up

sockets = URLRouter(
    [
        path("ws/echo", consumers.Echo.as_asgi()),
        path("ws/close", consumers.Close.as_asgi()),
        path("ws/refuse", consumers.Refuse.as_asgi()),
        path("ws/room", consumers.Room.as_asgi()),
    ]
)
application = ProtocolTypeRouter({"http": pages, "websocket": AllowedHostsOriginValidator(sockets)})
