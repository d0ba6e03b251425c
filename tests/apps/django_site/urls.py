"""The project's pages."""

import hashlib
from collections.abc import Iterator

from django.contrib import admin
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Answer with the size and the digest of the file that was sent."""
    sent = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in sent.chunks():
        digest.update(chunk)
    return JsonResponse({"size": sent.size, "sha256": digest.hexdigest()})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send a body of unknown length."""

    def lines() -> Iterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


urlpatterns = [path("admin/", admin.site.urls), path("upload", upload), path("stream", stream)]
