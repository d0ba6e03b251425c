"""A worker class that a third party might write: as `sync`, and each response carries a paw print."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import override

from heeler.plugins.parse import integer
from heeler.plugins.setting import Setting
from heeler.workers.sync import SyncWorker


class PawprintWorker(SyncWorker):
    """Adds the header field `X-Paws` to each response."""

    name = "pawprint"
    settings = (
        Setting(
            "paws",
            integer(1),
            4,
            "How many paws each response carries. A dog has four.",
            "Pawprint",
            cli=("--paws",),
            metavar="INT",
            example="3",
        ),
    )

    @override
    def setup(self) -> None:
        assert self.application is not None
        marked = _mark(self.application.callable, self.config.paws)
        self.application = dataclasses.replace(self.application, callable=marked)
        super().setup()


# Any: WSGI, from the outside in.
def _mark(application: Callable[..., Any], paws: int) -> Callable[..., Iterable[bytes]]:
    def marked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
            return start_response(status, [*headers, ("X-Paws", str(paws))], *exc_info)

        body: Iterable[bytes] = application(environ, start)
        return body

    return marked
