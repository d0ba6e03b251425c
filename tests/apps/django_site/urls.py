"""The project's pages: those of `support.pages`, the admin, an upload."""

import hashlib
from collections.abc import Iterator

from django.contrib import admin
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_site import async_pages


def hello(request: HttpRequest) -> HttpResponse:
    """Greet."""
    return HttpResponse("hello", content_type="text/plain")


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """Send back what came."""
    return HttpResponse(request.body)


@csrf_exempt
def digest(request: HttpRequest) -> JsonResponse:
    """Say what was sent, read in pieces."""
    found, size, pieces = hashlib.sha256(), 0, 0
    while piece := request.read(65536):
        found.update(piece)
        size += len(piece)
        pieces += 1
    return JsonResponse({"size": size, "sha256": found.hexdigest(), "pieces": pieces})


@csrf_exempt
def form(request: HttpRequest) -> JsonResponse:
    """Say what the form held."""
    return JsonResponse(request.POST.dict())


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Answer with the size and the digest of the file that was sent."""
    sent = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in sent.chunks():
        digest.update(chunk)
    return JsonResponse({"name": sent.name, "size": sent.size, "sha256": digest.hexdigest()})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send a body of unknown length."""

    def lines() -> Iterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(request: HttpRequest) -> FileResponse:
    """Send this file."""
    return FileResponse(open(__file__, "rb"))


def broken(request: HttpRequest) -> HttpResponse:
    """Fail."""
    raise RuntimeError("broken on purpose")


def cookies(request: HttpRequest) -> HttpResponse:
    """Set two cookies, and say which came."""
    response = JsonResponse(request.COOKIES)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, path="/cookies")
    return response


urlpatterns = [
    path("admin/", admin.site.urls),
    path("hello", hello),
    path("echo", echo),
    path("digest", digest),
    path("form", form),
    path("upload", upload),
    path("stream", stream),
    path("file", file),
    path("broken", broken),
    path("cookies", cookies),
    path("async/stream", async_pages.stream),
    path("ticks", async_pages.ticks),
    path("ended", async_pages.ended),
]
