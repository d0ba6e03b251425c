"""Every error Heeler raises on purpose.

Attributes come first and the message is built from them, so that a caller can
decide by attribute and a person can read one line that says what was wrong,
where it came from and what would be right.
"""

from heeler.plugins.exit_status import ExitStatus


class HeelerError(Exception):
    """The root of all of them; `exit_status` is what the command ends with."""

    exit_status: ExitStatus = ExitStatus.INTERNAL


class ConfigError(HeelerError):
    """A setting has a wrong name or value.

    Args:
        setting: the setting's name, or None where no single setting is at fault.
        source: where the value came from, as people would say it
            (`command line`, `environment WEB_CONCURRENCY`, `heeler.conf.py:12`).
        reason: what is wrong and what would be right.
        value: the value as it was given; left out of the message when None.
    """

    exit_status = ExitStatus.CONFIG

    def __init__(self, setting: str | None, source: str | None, reason: str, value: object = None) -> None:
        self.setting = setting
        self.source = source
        self.reason = reason
        self.value = value
        subject = setting or ""
        if setting and value is not None:
            subject = f"{setting} = {value!r}"
        origin = f"({source})" if source else ""
        head = " ".join(part for part in (subject, origin) if part)
        super().__init__(f"{head}: {reason}" if head else reason)


class UsageError(HeelerError):
    """The command line names no command or flag of ours."""

    exit_status = ExitStatus.USAGE


class PluginError(HeelerError):
    """A plugin cannot be used.

    Args:
        entry_point: the plugin's name as asked for.
        distribution: the distribution(s) it comes from, or None where unknown.
        reason: what is wrong and what would be right.
    """

    exit_status = ExitStatus.CONFIG

    def __init__(self, entry_point: str, distribution: str | None, reason: str) -> None:
        self.entry_point = entry_point
        self.distribution = distribution
        self.reason = reason
        origin = f" (from {distribution})" if distribution else ""
        super().__init__(f"{entry_point!r}{origin}: {reason}")


class PluginNotFound(PluginError):
    """No installed distribution offers a plugin of that name."""


class PluginInvalid(PluginError):
    """The plugin was found, but does not fit the contract."""


class AppLoadError(HeelerError):
    """The application named on the command line is not there, or is no application.

    Args:
        target: the application as it was named.
        reason: what is wrong and what would be right.
    """

    exit_status = ExitStatus.APP_LOAD

    def __init__(self, target: str, reason: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"application {target!r}: {reason}")


class BindError(HeelerError):
    """A listening socket could not be made.

    Args:
        address: the address as it was asked for.
        errno: the system's error number, or None.
        reason: what is wrong and what would be right.
    """

    exit_status = ExitStatus.BIND

    def __init__(self, address: str, errno: int | None, reason: str) -> None:
        self.address = address
        self.errno = errno
        self.reason = reason
        super().__init__(f"cannot listen on {address}: {reason}")


class BootError(HeelerError):
    """A worker did not become ready.

    Args:
        slot: the worker's slot; None where it is the whole server that has not started.
        exit_status: what the worker ended with.
        reason: what is known of the cause; the whole text where no slot is named.
    """

    def __init__(self, slot: int | None, exit_status: ExitStatus, reason: str) -> None:
        self.slot = slot
        self.exit_status = exit_status
        self.reason = reason
        super().__init__(reason if slot is None else f"worker in slot {slot} did not boot: {reason}")


class StopError(HeelerError):
    """A server did not stop as it was asked to.

    Args:
        status: what it ended with; negative: the number of the signal that ended it.
        reason: what is known of the cause.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"the server did not stop cleanly: {reason}")


class ProtocolError(HeelerError):
    """The rules of HTTP were broken.

    Args:
        reason: what rule was broken, in one phrase; it is logged, and never sent
            to a client with the client's bytes in it.
        status_hint: the response status that fits, e.g. 400.
    """

    def __init__(self, reason: str, status_hint: int) -> None:
        self.reason = reason
        self.status_hint = status_hint
        super().__init__(reason)


class RemoteProtocolError(ProtocolError):
    """The client broke them."""

    def __init__(self, reason: str, status_hint: int = 400) -> None:
        super().__init__(reason, status_hint)


class LocalProtocolError(ProtocolError):
    """The application broke them."""

    def __init__(self, reason: str, status_hint: int = 500) -> None:
        super().__init__(reason, status_hint)


class RequestTimeout(BaseException):
    """Raised inside an application whose request runs longer than `request_timeout`.

    No `Exception`: what an application does with its own errors is not meant for it.
    """
