"""The layer below python-redmine: connections with effective timeouts, shared by all identities, with separate
identities.

python-redmine 2.5 ignores a given timeout, follows redirects with the key, loses Retry-After, and passes on
exceptions of requests; so the bridge has its own engine. Nothing here takes proxies, passwords or
certificates from the environment, and no cookie is stored: only key and login determine the user of a request.
"""

import http.client
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from redminelib.engines.sync import SyncEngine
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_write

from redmine_mailbridge.errors import RedmineError, RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.redmine.responses import Response, error_of, read_answer
from redmine_mailbridge.util import certificates
from redmine_mailbridge.util.printable import printable_line, system_error

WAY = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)
"""Failures on the way to Redmine: the connection, TLS, the CA file. The errors of requests are
included.
"""


class _Sent(threading.local):
    """Did this thread's request leave? A request that failed before cannot have changed anything. `checks` are called
    before each piece of it.
    """

    yes = False
    checks: Sequence[Callable[[], object]] = ()


_sent = _Sent()


SENT_AT_ONCE = 4096
"""Bytes that the system takes at once where it takes any: it counts as writable with a third of its buffer free."""


@contextmanager
def checked(checks: Sequence[Callable[[], object]]) -> Iterator[None]:
    """Within the block, this thread calls these before each piece of a request that it sends."""
    _sent.checks = checks
    try:
        yield
    finally:
        _sent.checks = ()


def _checked_pieces(sock: Any, data: Any) -> Iterator[Any]:
    """Given a socket, yield what is about to be sent through it, each piece after the checks. Sending the last one does
    not wait in the middle: there is room for it when it is checked.
    """
    if not _sent.checks:
        yield data
        return
    long = isinstance(data, bytes) and len(data) > SENT_AT_ONCE
    for piece in (data[:-1], data[-1:]) if long else (data,):
        wait_for_write(sock, sock.gettimeout())
        for check in _sent.checks:
            check()
        yield piece


class _Connection(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        finally:
            _sent.yes = False  # a proxy was asked for a tunnel, Redmine for nothing

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        for piece in _checked_pieces(self.sock, data):
            _sent.yes = True
            super().send(piece)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        """Connect, and note until when the server's certificate is valid."""
        try:
            super().connect()
        finally:
            _sent.yes = False  # a proxy was asked for a tunnel, Redmine for nothing
        host, port = self._tunnel_host or self.host, self._tunnel_port if self._tunnel_host else self.port
        certificates.note(host, port or 443, self.sock)  # behind a proxy's tunnel too, Redmine's own

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        for piece in _checked_pieces(self.sock, data):
            _sent.yes = True
            super().send(piece)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class SharedAdapter(HTTPAdapter):
    """The connections to one Redmine, kept alive and shared by all sessions. Thread-safe."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=4, pool_maxsize=size, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool from connections that know whether a request left."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Given a proxy's address, return the header field for its user and password, in UTF-8 (RFC 7617)."""
        user, password = get_auth_from_url(proxy)
        if not user:
            return {}
        return {"Proxy-Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Create the pool behind a proxy likewise."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


@lru_cache(maxsize=64)
def _with_params(url: str, params: tuple[tuple[str, str | int], ...]) -> str:
    """Given an address and its parameters, return the whole address: that of new issues is always the same."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, params)
    return prepared.url or ""


class _Request(requests.PreparedRequest):
    """A request without cookies, whose address is put together once."""

    def prepare_url(self, url: str, params: Any) -> None:
        """Set the address with these parameters, pairs of texts."""
        self.url = _with_params(url, tuple(params or ()))

    def prepare_cookies(self, cookies: Any) -> None:
        """Send none."""


class BoundedSession(requests.Session):
    """A requests session with enforced timeouts, without redirects and cookies."""

    timeouts: tuple[float, float] = (10.0, 60.0)

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        jar = RequestsCookieJar()
        jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.cookies = jar

    def request(  # type: ignore[override]  # only the used parameters
        self, method: str, url: str, params: Any = None, data: Any = None, headers: Any = None, *,
        stream: bool = False, allow_redirects: bool = False,  # noqa: ARG002 - set by `get`; none is followed
    ) -> requests.Response:  # fmt: skip
        """Send, with the timeouts of this session (connect, read; seconds) and without following redirects.

        `requests.Session.request` merges the session's options and collects cookies for each request, which takes a
        quarter of a request's CPU time.
        """
        prepared = _Request()
        with_ours = {**self.headers, **(headers or {})}
        prepared.prepare(method.upper(), url, with_ours, data=data, params=params, auth=self.auth)
        adapter = self.get_adapter(prepared.url or "")
        verify = True if self.verify is None else self.verify
        answer = adapter.send(
            prepared, stream=stream, timeout=self.timeouts, verify=verify, cert=self.cert, proxies=self.proxies
        )
        if not stream:
            answer.content  # noqa: B018 - reads it, so that the connection is free again
        return answer


class RedmineEngine(SyncEngine):  # type: ignore[misc]  # python-redmine ships no types
    """python-redmine's engine with the bridge's session and errors, and responses with their status."""

    @staticmethod
    def create_session(**params: Any) -> BoundedSession:
        """Given the `requests` options of a Redmine object, return its session, over its `adapter` if there is one."""
        session = BoundedSession()
        adapter: SharedAdapter = params.get("adapter") or SharedAdapter(1)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.timeouts = params["timeouts"]
        session.verify = params["verify"]
        session.cert = params["cert"]
        session.proxies = dict(params["proxies"])
        session.auth = params["auth"]
        session.headers.update(params["headers"])
        return session

    def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, params: Any = None, data: Any = None
    ) -> Response:
        """Send one request. Return its response. Raise only errors of `redmine_mailbridge.errors`."""
        _sent.yes = False
        try:
            answer: Response = super().request(method, url, headers=headers, params=params, data=data)
        except WAY as error:
            raise failure(method, url, error, sent=_sent.yes) from None
        except RedmineUnavailable as error:
            error.sent = True
            raise
        return answer

    def process_response(self, response: requests.Response) -> Response:
        """Given a response, return its content, or raise the error that it means."""
        return read_answer(response)


def download(session: BoundedSession, url: str, most: int) -> bytes:
    """Given a file's address, return its bytes. Raise RedmineRefused if it does not exist, or has more than `most`
    bytes; RedmineUnavailable if it cannot be fetched now.
    """
    try:
        with session.get(url, stream=True) as response:
            if response.status_code in (403, 404):
                raise RedmineRefused(f"GET {url}: the file is not visible to the bridge", status=response.status_code)
            if 300 <= response.status_code < 400:  # the key must not follow to another host
                raise RedmineRefused(
                    f"GET {url}: redirected elsewhere; not followed, since the API key would go along",
                    status=response.status_code,
                )
            if response.status_code != 200:
                raise error_of(response)
            data = bytearray()
            for chunk in response.iter_content(1 << 16):
                data += chunk
                if len(data) > most:
                    raise RedmineRefused(f"GET {url}: more than {most} bytes", status=413)
            return bytes(data)
    except WAY as error:
        raise failure("get", url, error, sent=True) from None


def failure(method: str, url: str, error: Exception, *, sent: bool) -> RedmineError:
    """Given a request without a complete response, return the error for it.

    A request that did not leave changed nothing. A write request that left may have been executed.
    """
    slow = isinstance(error, requests.Timeout) and sent
    text = f"{method.upper()} {url.partition('?')[0]}: {cause(error)}"
    if sent and method.lower() not in ("get", "head"):
        return RedmineUnclear(text, settle=True, overloaded=slow)
    return RedmineUnavailable(text, overloaded=slow)


def cause(error: Exception) -> str:
    """Given a failure on the way to Redmine, return one phrase for an admin, without the query or a memory address."""
    match error:
        case requests.ConnectTimeout():
            return "connecting timed out"
        case requests.Timeout():
            return "the response timed out"
    inner: BaseException = error
    for _ in range(8):
        reason = getattr(inner, "reason", None)
        below = reason if isinstance(reason, BaseException) else next(
            (arg for arg in inner.args if isinstance(arg, BaseException)), inner.__cause__ or inner.__context__
        )  # fmt: skip
        if below is None or below is inner:
            break
        inner = below
    if isinstance(inner, urllib3.exceptions.LocationParseError):  # with the whole address, a proxy's password included
        return "the connection failed (the address of Redmine or of the proxy is wrong)"
    words = (system_error(inner) or str(inner)).rpartition(">: ")[2] or type(inner).__name__
    return f"the connection failed ({printable_line(words.partition('(Caused by')[0], 200)})"
