"""What applications are made by, and what comes of it: full names of classes and functions, as they are imported."""

from typing import Final, Literal

Interface = Literal["wsgi", "asgi"]

_ASGI: Final = """
    a2wsgi.WSGIMiddleware
    ariadne.asgi.GraphQL
    asgiref.wsgi.WsgiToAsgi
    blacksheep.Application
    channels.routing.ProtocolTypeRouter
    django.core.asgi.get_asgi_application
    engineio.ASGIApp
    falcon.asgi.App
    fastapi.FastAPI
    fastapi.applications.FastAPI
    litestar.Litestar
    litestar.app.Litestar
    quart.Quart
    quart.app.Quart
    sanic.Sanic
    socketio.ASGIApp
    starlette.applications.Starlette
    strawberry.asgi.GraphQL
"""
_WSGI: Final = """
    a2wsgi.ASGIMiddleware
    apiflask.APIFlask
    bottle.Bottle
    bottle.default_app
    django.core.wsgi.get_wsgi_application
    engineio.WSGIApp
    falcon.App
    flask.Flask
    flask.app.Flask
    socketio.WSGIApp
    werkzeug.middleware.dispatcher.DispatcherMiddleware
    werkzeug.middleware.proxy_fix.ProxyFix
    whitenoise.WhiteNoise
"""


def interface_made_by(name: str) -> Interface | None:
    """Return how the application that a call of `name` makes is to be called; None where that is not known."""
    if name in _ASGI.split():
        return "asgi"
    return "wsgi" if name in _WSGI.split() else None
