"""Waits for new mail by IDLE (RFC 2177), as a hint only, and lets another thread end the wait."""

import ssl
import time

from redmine_mailbridge.mailboxes.errors import ConnectionLost, one_line, translate_errors
from redmine_mailbridge.mailboxes.imap.session import ImapSession
from redmine_mailbridge.mailboxes.wakeup import Wakeup

RENEW = 9 * 60.0
"""Seconds after which IDLE is restarted: before the shortest timeouts of servers and NAT devices."""

SHORTEST = 60.0
"""A server that ends an IDLE within this many seconds counts as rejecting it."""

END_WITHIN = 10.0
"""Seconds that a server has to answer DONE."""


def idle(session: ImapSession, wakeup: Wakeup, seconds: float) -> tuple[bool, bool]:
    """Given a session with a folder open, wait until the server reports a message. Return (rung, a message was
    reported).

    Raise MailboxUnreachable when the server refuses IDLE, ends it soon, or the connection breaks.
    """
    end = time.monotonic() + seconds
    rang = news = False
    while not rang and not news and (left := end - time.monotonic()) > 0:
        rang, news = Idle(session, wakeup).once(min(left, RENEW))
    return rang, news


class Idle:
    """One IDLE. Responses about flags, expunged messages, or to keep the connection open are ignored."""

    def __init__(self, session: ImapSession, wakeup: Wakeup) -> None:
        self._session = session
        self._client = session.client
        self._wakeup = wakeup
        self._count = session.selected.answer.number("EXISTS") if session.selected is not None else None
        self._fewer = False
        self._changed = False
        self.news = False

    def once(self, seconds: float) -> tuple[bool, bool]:
        """Given a time, stay that long at most. Return as `idle`."""
        with translate_errors(f"{self._session.where}: IDLE"):
            began = time.monotonic()
            tag = self._begin()
            rang = self._listen(tag, began, began + seconds)
            if tag in self._client.tagged_commands:
                self._end(tag)
            if self._changed and self._count is not None:
                self._session.apply_untagged({"EXISTS": [b"%d" % self._count]})
            return rang, self.news

    def _begin(self) -> str:
        client = self._client
        client.untagged_responses.clear()
        tag: str = client._command("IDLE")
        while client._get_response() is not None:
            self._take()
            if client.tagged_commands[tag] is not None:
                self._refused(tag)
        return tag

    def _listen(self, tag: str, began: float, end: float) -> bool:
        """Read what the server says until it is news, it is woken, or the time is over. Return whether it was woken."""
        while not self.news and (left := end - time.monotonic()) > 0:
            if not readable(self._session):
                rang, ready = self._wakeup.wait(left, self._session.socket)
                if rang:
                    return True
                if not ready or not readable(self._session, polled=True):
                    continue
            self._client._get_response()
            self._take()
            if self._client.tagged_commands[tag] is not None:
                if time.monotonic() - began < SHORTEST:
                    self._refused(tag)
                self._client.tagged_commands.pop(tag)
                return False
        return False

    def _end(self, tag: str) -> None:
        """Say that we have heard enough; a server that does not answer that soon is not worth waiting for."""
        client, deadline = self._client, time.monotonic() + END_WITHIN
        client.send(b"DONE\r\n")
        sock = self._session.socket
        usual = sock.gettimeout()
        sock.settimeout(END_WITHIN if usual is None else min(usual, END_WITHIN))
        while client.tagged_commands[tag] is None:
            client._get_response()
            self._take()
            if time.monotonic() > deadline:
                raise ConnectionLost(f"{self._session.where}: IDLE: the server does not end it")
        client.tagged_commands.pop(tag)
        sock.settimeout(usual)

    def _refused(self, tag: str) -> None:
        status, lines = self._client.tagged_commands.pop(tag)
        raise ConnectionLost(f"{self._session.where}: IDLE: the server ended it: {status} {one_line(lines)}")

    def _take(self) -> None:
        """Take what was said last. More mails than were there are news; so is a count that nothing explains."""
        responses = self._client.untagged_responses
        if responses.get("BYE"):
            raise ConnectionLost(
                f"{self._session.where}: the server ends the connection while we wait: {one_line(responses['BYE'])}"
            )
        for _ in responses.get("EXPUNGE", ()):
            self._count, self._fewer = None if self._count is None else self._count - 1, True
        for raw in responses.get("EXISTS", ()):
            if isinstance(raw, bytes) and raw.isdigit():
                self.news = self.news or not self._fewer or self._count is None or int(raw) > self._count
                self._count = int(raw)
        self._changed = self._changed or bool({"EXPUNGE", "EXISTS"} & responses.keys())
        responses.clear()


def readable(session: ImapSession, *, polled: bool = False) -> bool:
    """Say whether there is something to read, in a buffer that poll() does not see or, when poll() says so, beyond it.

    Under TLS, poll() wakes for records that carry nothing; without it, an end of the connection is something to read.
    """
    sock = session.socket
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return bool(session.client.file.peek(1)) or polled
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        sock.settimeout(timeout)
