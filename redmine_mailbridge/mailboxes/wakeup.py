"""What ends the waiting for a mail server, from another thread."""

import select
import socket
from contextlib import suppress

from redmine_mailbridge.errors import MailboxUnreachable


class Wakeup:
    """A socket pair: `set` from any thread ends a `wait` of another, or the next one that begins. Once it was `cut`,
    nothing begins any more.
    """

    def __init__(self) -> None:
        self._cut = False
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def set(self) -> None:
        """End the present wait, or the next."""
        try:
            self._far.send(b"!")
        except BlockingIOError:
            return  # it has been rung thousands of times without a waiter

    def cut(self) -> None:
        """End the present wait, and let no connection be made any more."""
        self._cut = True
        self.set()

    def refuse_if_cut(self, mailbox: str) -> None:
        """Given a mailbox's name, raise MailboxUnreachable where its connection was cut."""
        if self._cut:
            raise MailboxUnreachable(f"mailbox {mailbox}: the service ends, and waits no longer for the server")

    def wait(self, seconds: float, other: socket.socket | None = None) -> tuple[bool, bool]:
        """Given a time and a socket, wait for the first of: `set`, something to read there, the time's end.

        Return whether `set` was called, and whether there is something to read.
        """
        sockets = [self._near, other] if other is not None else [self._near]
        poll = select.poll()
        for sock in sockets:
            poll.register(sock, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        rang = self._near.fileno() in ready
        if rang:
            self._near.recv(4096)
        return rang, other is not None and other.fileno() in ready

    def close(self) -> None:
        """Give the sockets back."""
        self._near.close()
        self._far.close()

    def __del__(self) -> None:
        self.close()


def shut(client: object) -> None:
    """Given a client of imaplib or poplib that another thread may read from, shut its socket; never raises.

    Its files stay open: closing them would wait for that thread.
    """
    sock = getattr(client, "sock", None)
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
