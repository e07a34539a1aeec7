"""Waits for new mail by IDLE (RFC 2177), as a hint only, and lets another thread end the wait."""

import select
import socket
import ssl
import time

from redmine_mailbridge.mailboxes.imap_session import ImapSession
from redmine_mailbridge.mailboxes.translate import Spoiled, translate_errors

RENEW = 9 * 60.0
"""Seconds after which IDLE is begun anew: sooner than the shortest time-outs of servers and address translators."""


class Alarm:
    """A socket pair: `ring` from any thread ends a `wait` of another, or the next one that begins."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def ring(self) -> None:
        """End the present wait, or the next."""
        try:
            self._far.send(b"!")
        except BlockingIOError:
            return  # it has been rung thousands of times and nobody has waited yet

    def wait(self, seconds: float, other: socket.socket | None = None) -> tuple[bool, bool]:
        """Given a time and a socket, wait for the first of: the alarm, something to read there, the time's end.

        Return whether the alarm rang, and whether there is something to read.
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


def idle(session: ImapSession, alarm: Alarm, seconds: float) -> tuple[bool, bool]:
    """Given a session with a folder open, wait until the server says anything. Return (rang, something was said)."""
    end = time.monotonic() + seconds
    rang = said = False
    while not rang and not said and (left := end - time.monotonic()) > 0:
        rang, said = idle_once(session, alarm, min(left, RENEW))
    return rang, said


def idle_once(session: ImapSession, alarm: Alarm, seconds: float) -> tuple[bool, bool]:
    """Given a time, stay in one IDLE that long at most. Return as `idle`. Raise MailboxUnreachable."""
    client = session.client
    with translate_errors(f"{session.where}: IDLE"):
        client.untagged_responses.clear()
        tag = client._command("IDLE")
        while client._get_response() is not None:
            if client.tagged_commands[tag] is not None:
                status, lines = client.tagged_commands.pop(tag)
                raise Spoiled(f"{session.where}: IDLE: {status} {lines!r}")
        rang, said = False, buffered(session)
        if not said:
            rang, said = alarm.wait(seconds, session.socket)
        client.send(b"DONE\r\n")
        while client.tagged_commands[tag] is None:
            if client.untagged_responses.get("BYE"):
                raise Spoiled(f"{session.where}: the server ends the connection while we wait")
            client._get_response()
        client.tagged_commands.pop(tag)
        session.heard(dict(client.untagged_responses))
        return rang, said or bool({"EXISTS", "RECENT"} & client.untagged_responses.keys())


def buffered(session: ImapSession) -> bool:
    """Say whether more has been read than the line that let us begin: poll() does not see what lies in a buffer."""
    sock = session.socket
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return bool(session.client.file.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        sock.settimeout(timeout)
