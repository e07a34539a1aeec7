"""The connections to the pages: an idle connection does not use up the places of others.

uvicorn counts all connections together and waits for a request's head for ever, so that a few hundred half-open ones
shut everybody out. Here each is counted from the moment that it is accepted, TLS or not, by the address that it comes
from; where there are too many, the one that has been waited for longest gives way; and each step has its time.
"""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.web.addresses import is_within, network, plain

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections, from one address and from all, and how many seconds the steps may take: TLS's handshake, a
    request's head, and how long nothing of an answer is taken; `min_rate` is the bytes a second of a body that is
    sent, and of an answer that is taken, at least.
    """

    from_one: int = 64
    at_all: int = 256
    handshake: float = 10.0
    head: float = 20.0
    untaken: float = 30.0
    min_rate: float = 1000.0
    look_every: float = 5.0


class HttpProtocol(H11Protocol):
    """uvicorn's side of one connection, which knows for how long it has been the client's turn."""

    _since = 0.0
    _received = 0
    _untaken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request's head from now on."""
        self._since = time.monotonic()
        super().connection_made(transport)
        if self.client is not None:
            self.client = (str(plain(self.client[0]) or self.client[0]), self.client[1])

    def data_received(self, data: bytes) -> None:
        """Take what came; when it was the end of a head, wait for a body from now on."""
        before = self.cycle
        self._received += len(data)
        super().data_received(data)
        if self.cycle is not before:
            self._since, self._received = time.monotonic(), 0

    def on_response_complete(self) -> None:
        """Wait for the next head, or for the end of a body that is not read."""
        self._since, self._received = time.monotonic(), 0
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Wait for the client to take what it was sent."""
        self._since, self._untaken = time.monotonic(), self.transport.get_write_buffer_size()
        super().pause_writing()

    @property
    def waited_for(self) -> bool:
        """Is it the client's turn?"""
        return self._between or self._in_body or self.flow.write_paused

    def overdue(self, now: float, limits: ConnectionLimits) -> bool:
        """Has it been the client's turn for too long?"""
        waited = now - self._since
        if self.flow.write_paused:
            unsent = self.transport.get_write_buffer_size()
            return waited > limits.untaken and self._is_still(now, self._untaken - unsent, limits, unsent=unsent)
        if self._in_body:
            return waited > limits.head and self._is_still(now, self._received, limits)
        return self._between and waited > limits.head

    def _is_still(self, now: float, went: int, limits: ConnectionLimits, *, unsent: int = 0) -> bool:
        """Given the bytes that went either way during the wait, return whether they are too few. If not, start to
        count again: a quick beginning does not excuse a later stop.
        """
        if went < (now - self._since) * limits.min_rate:
            return True
        self._since, self._received, self._untaken = now, 0, unsent
        return False

    @property
    def _between(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _in_body(self) -> bool:
        return not self._between and self.cycle.more_body and not self.flow.read_paused


@dataclass(eq=False, slots=True)
class TrackedConnection:
    """One connection from the moment that it was accepted; `visit` is set after the TLS handshake."""

    place: str
    connection: socket.socket
    visit: HttpProtocol

    @property
    def _transport(self) -> asyncio.Transport | None:
        return self.visit.transport

    @property
    def waited_for(self) -> bool:
        """Is it the client's turn? TLS counts as its turn."""
        return self._transport is None or self.visit.waited_for

    def overdue(self, now: float, limits: ConnectionLimits) -> bool:
        """Has it been the client's turn for too long? TLS has a time of its own."""
        return self._transport is not None and self.visit.overdue(now, limits)

    def leave(self) -> None:
        """End it, whatever it is doing."""
        if self._transport is not None:
            self._transport.abort()
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


class LimitedServer(uvicorn.Server):
    """uvicorn, with an entrance of its own. What comes from `proxies` is theirs, and counts only for the whole."""

    def __init__(self, config: uvicorn.Config, proxies: Sequence[str], limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._proxies = proxies
        self._limits = limits
        self._guests: list[TrackedConnection] = []
        self._work: list[asyncio.Task[Any]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept on these sockets."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            listener.setblocking(False)
            self._work.append(asyncio.create_task(self._accept(listener)))
        self._work.append(asyncio.create_task(self._look()))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and let the answers under way end."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        coming: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is free, or the client has gone
                log.warning("admin.accept_failed", reason=error.strerror or str(error))
                await asyncio.sleep(0.1)
                continue
            guest = self._room(connection, address[0])
            if guest is None:
                connection.close()
                continue
            task = asyncio.create_task(self._welcome(guest))
            coming.add(task)
            task.add_done_callback(coming.discard)

    def _room(self, connection: socket.socket, address: str) -> TrackedConnection | None:
        """Given who comes, make room by letting go who has been waited for longest; None when all are being served."""
        self._guests = [guest for guest in self._guests if guest.connection.fileno() >= 0]
        limits, place = self._limits, network(address)
        here = [guest for guest in self._guests if guest.place == place]
        if not is_within(address, self._proxies) and len(here) >= limits.from_one and not self._let_go(here):
            return None
        if len(self._guests) >= limits.at_all:
            most = Counter(guest.place for guest in self._guests if guest.waited_for).most_common(1)
            if not most or not self._let_go([guest for guest in self._guests if guest.place == most[0][0]]):
                return None
        visit = HttpProtocol(self.config, self.server_state, self.lifespan.state)
        guest = TrackedConnection(place, connection, visit)
        self._guests.append(guest)
        return guest

    def _let_go(self, guests: Sequence[TrackedConnection]) -> bool:
        """Given connections, the oldest first, end the first that is waited for. Return whether there was one."""
        for guest in guests:
            if guest.waited_for:
                guest.leave()
                self._guests.remove(guest)
                return True
        return False

    async def _welcome(self, guest: TrackedConnection) -> None:
        tls = self.config.ssl
        handshake = self._limits.handshake if tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guest.visit, guest.connection, ssl=tls, ssl_handshake_timeout=handshake
            )
        except OSError as error:
            log.debug("admin.connection_failed", reason=str(error))
            guest.connection.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._limits.look_every)
            now = time.monotonic()
            for guest in self._guests:
                if guest.overdue(now, self._limits):
                    guest.leave()
