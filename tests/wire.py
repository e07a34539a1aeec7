"""A transport of outgoing mail that a test rules."""

from types import TracebackType
from typing import Self

from redmine_mailbridge.errors import SendingDeferred


class Wire:
    """A transport that does what it is told, and keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.fault: Exception | None = None
        self.fault_for = ""

    def __enter__(self) -> Self:
        if isinstance(self.fault, ConnectionError):
            raise SendingDeferred(str(self.fault))
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        pass

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        if self.fault is not None and recipient.startswith(self.fault_for):
            raise self.fault
        self.taken.append((recipient, content))
        return "250 queued"
