"""Below python-redmine: connections with time-outs that apply, shared by all identities, and told apart by them.

python-redmine 2.5 ignores a time-out that it is given, follows redirects with the key, loses Retry-After, and lets
exceptions of requests through; so the bridge brings its own engine. Nothing here takes proxies, passwords or
certificates from the environment, and no cookie is kept: a key and a login decide alone who a request is.
"""

import http.client
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from redminelib.engines.sync import SyncEngine
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from redmine_mailbridge.errors import RedmineError, RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.redmine.responses import Answer, error_of, read_answer

WAY = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)
"""Whatever fails on the way to Redmine: the connection, TLS, the file of its certificates. The errors of requests are
of these too.
"""


class _Sent(threading.local):
    """Did this thread's request leave? What was refused before that cannot have changed anything."""

    yes = False


_sent = _Sent()


class _Connection(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        _sent.yes = True
        super().send(data)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        _sent.yes = True
        super().send(data)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(HTTPAdapter):
    """The connections to one Redmine, kept alive and shared by all sessions. Safe to share among threads."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=4, pool_maxsize=size, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool out of connections that know whether a request left."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pool behind a proxy likewise."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


class Session(requests.Session):
    """A session of requests that waits no longer than it was told, goes nowhere else, and keeps no cookies."""

    timeouts: tuple[float, float] = (10.0, 60.0)

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        jar = RequestsCookieJar()
        jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.cookies = jar

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with the time-outs of this session (connect, read; seconds) and without following redirects."""
        kwargs.setdefault("timeout", self.timeouts)
        kwargs["allow_redirects"] = False
        return super().request(*args, **kwargs)


class Engine(SyncEngine):  # type: ignore[misc]  # python-redmine ships no types
    """python-redmine's engine with our session, our errors, and answers that know their status."""

    @staticmethod
    def create_session(**params: Any) -> Session:
        """Given the `requests` options of a Redmine object, return its session over the shared connections."""
        session = Session()
        adapter: Adapter = params["adapter"]
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.timeouts = params["timeouts"]
        session.verify = params["verify"]
        session.proxies = dict(params["proxies"])
        session.auth = params["auth"]
        session.headers.update(params["headers"])
        return session

    def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, params: Any = None, data: Any = None
    ) -> Answer:
        """Send one request. Return its answer. Raise an error of `redmine_mailbridge.errors`, and no other."""
        _sent.yes = False
        try:
            answer: Answer = super().request(method, url, headers=headers, params=params, data=data)
        except WAY as error:
            raise failure(method, url, error, sent=_sent.yes) from None
        except RedmineUnavailable as error:
            error.sent = True
            raise
        return answer

    def process_response(self, response: requests.Response) -> Answer:
        """Given a response, return what it says, or raise what it means."""
        return read_answer(response)


def download(session: Session, url: str, most: int) -> bytes:
    """Given a file's address, return its bytes. Raise RedmineRefused when it is not there, or has more than `most`
    bytes; RedmineUnavailable when it cannot be had now.
    """
    try:
        with session.get(url, stream=True) as response:
            if response.status_code in (403, 404):
                raise RedmineRefused(f"GET {url}: the file is not shown to us", status=response.status_code)
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
    """Given a request that got no whole answer, return the error for it.

    What did not leave changed nothing. What left and was meant to write may have been carried out.
    """
    slow = isinstance(error, requests.Timeout) and sent
    text = f"{method.upper()} {url.partition('?')[0]}: {cause(error)}"
    if sent and method.lower() not in ("get", "head"):
        return RedmineUnclear(text, settle=True, overloaded=slow)
    return RedmineUnavailable(text, overloaded=slow)


def cause(error: Exception) -> str:
    """Given a fault on the way to Redmine, return one phrase for an admin, without the query or a memory address."""
    match error:
        case requests.ConnectTimeout():
            return "no connection within the time allowed"
        case requests.Timeout():
            return "no answer within the time allowed"
    inner: BaseException = error
    for _ in range(8):
        reason = getattr(inner, "reason", None)
        below = reason if isinstance(reason, BaseException) else next(
            (arg for arg in inner.args if isinstance(arg, BaseException)), inner.__cause__ or inner.__context__
        )  # fmt: skip
        if below is None or below is inner:
            break
        inner = below
    words = str(inner).rpartition(">: ")[2] or type(inner).__name__
    return f"the connection failed ({words.partition('(Caused by')[0][:200].strip()})"
