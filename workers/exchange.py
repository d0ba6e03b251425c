"""What a connection that streams needs of whoever answers the request on it."""

from typing import Any, Protocol

from heeler.workers.http.request import Request


class Exchange(Protocol):
    """One request and its response on a `StreamingConnection`.

    The connection calls the `on_` methods, in the worker's loop and never within the
    application; none of them may block or raise.
    """

    request: Request
    """What is answered."""
    started_ns: int
    """Since when, CLOCK_MONOTONIC."""
    deadline: float
    """Monotonic seconds at which `on_deadline` is wanted, `math.inf` for never; read again after each call."""
    has_begun: bool
    """Whether a byte of the final response was written."""
    timed_out: bool
    """Set by the worker before it cancels a request that took longer than `request_timeout`."""
    entry: int
    """The request's entry on the scoreboard; the worker sets it."""
    task: Any  # Any: of the worker's event loop
    """What the worker runs it in; the worker sets it."""

    def on_content(self, data: bytes) -> bool:
        """Content has come; False to read no more of it until `read_on`."""

    def on_end(self) -> None:
        """The content is complete."""

    def on_data(self, data: bytes) -> bool:
        """Bytes have come behind an upgrade; False to read no more until `read_on`."""

    def on_drained(self) -> None:
        """The client has taken most of what was pending."""

    def on_gone(self, *, cut: bool) -> None:
        """The client is gone.

        Args:
            cut: True where nothing may be written any more; False where the client ended
                its side and may still read. Each at most once, True perhaps after False,
                and perhaps from inside a write.
        """

    def on_deadline(self, now: float) -> None:
        """`deadline` has passed."""

    def on_stop(self, *, soon: bool) -> None:
        """The worker drains: `soon` when it begins to, not `soon` when half of the time is over."""

    def give_up(self) -> bool:
        """Answer for an application that goes on though its time is over: 504, or a cut where it has begun.

        Returns:
            Whether it is answered, counted and logged by that.
        """

    async def run(self) -> None:
        """Run the application from its call to its end; raises nothing but cancellation."""
