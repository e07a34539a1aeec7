"""What was read of the mails that are looked at: each is parsed once, however many pages, frames and files show it."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

from redmine_mailbridge.mail.sanitized_html import SanitizedHtml, original
from redmine_mailbridge.model.mail import Attachment, Message
from redmine_mailbridge.tasks.receive.history import ReadCopy

MOST_BYTES = 64_000_000
"""Of mails that are remembered; the newest one is, whatever its size."""
Key = tuple[object, ...]


class MessageViews:
    """Given how a mailbox reads, reads each mail once while it is looked at. Safe to share among threads."""

    def __init__(self, read: ReadCopy) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, tuple[int, Future[Any]]] = OrderedDict()

    def read(self, content: bytes, mailbox: str, *, truncated: bool = False) -> Message:
        """Given a mail's bytes, return it as this mailbox reads it."""
        key = (sha256(content).digest(), mailbox, truncated)
        message: Message = self._once(key, len(content), lambda: self._read(content, mailbox, truncated=truncated))
        return message

    def original(self, content: bytes, attachments: tuple[Attachment, ...]) -> SanitizedHtml:
        """Given a mail's bytes and its attachments, return what may be shown of it."""
        key = (sha256(content).digest(), len(attachments))
        sanitized: SanitizedHtml = self._once(key, len(content), lambda: original(content, attachments))
        return sanitized

    def _once(self, key: Key, size: int, make: Callable[[], object]) -> Any:
        with self._lock:
            cached = self._known.get(key)
            future = cached[1] if cached is not None else Future[Any]()
            self._known[key] = (size, future)
            self._known.move_to_end(key)
            while len(self._known) > 1 and sum(mail_size for mail_size, _ in self._known.values()) > MOST_BYTES:
                self._known.popitem(last=False)
        if cached is None:
            try:
                future.set_result(make())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                with self._lock:
                    self._known.pop(key, None)
                future.set_exception(error)
        return future.result()
