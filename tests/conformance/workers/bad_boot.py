"""Worker classes that begin badly."""

from typing_extensions import override

from heeler.plugins.errors import AppLoadError, BootError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.application import Application, load
from heeler.workers.sync import SyncWorker


def nothing(environ: object, start_response: object) -> list[bytes]:
    """Be an application, of whatever kind."""
    return []


class HasNoRoom(SyncWorker):
    """Does not say how much it can do at once."""

    @override
    def setup(self) -> None:
        super().setup()
        self.row.set("capacity", 0)


class ServesWithoutApplication(SyncWorker):
    """Serves though the application is not there."""

    @override
    def _load(self) -> Application:
        try:
            return super()._load()
        except AppLoadError:
            return Application(nothing, "nothing", "wsgi")


class HidesTheCause(SyncWorker):
    """Does not say why the application failed to load."""

    @override
    def _load(self) -> Application:
        try:
            return super()._load()
        except RuntimeError as error:
            raise BootError(self.slot, ExitStatus.BOOT, "it did not work") from error


class IsReadyTooEarly(SyncWorker):
    """Says that it is ready before the application is loaded."""

    ready_after_setup = False

    @override
    def _load(self) -> Application:
        self.announce()
        return super()._load()


class TakesAnyInterface(SyncWorker):
    """Takes an ASGI application for one that it can serve."""

    @override
    def _load(self) -> Application:
        return load(self.boot.application)
