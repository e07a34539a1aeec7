"""The only access to Redmine: requests as the bridge or as another user, rate-controlled, with verified responses.

Built on python-redmine, one object of it per identity and thread (its `session()` changes the identity of an
object that other threads share), over connections that all of them share.
"""

import datetime as dt
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import quote

from redminelib import Redmine
from requests.auth import HTTPBasicAuth

from redmine_mailbridge import __version__
from redmine_mailbridge.errors import AccessDenied, RedmineRefused, RedmineUnavailable, RedmineUnclear, UnknownLogin
from redmine_mailbridge.redmine.concurrency import AdaptiveLimiter
from redmine_mailbridge.redmine.responses import NO_API, Response
from redmine_mailbridge.redmine.transport import BoundedSession, RedmineEngine, SharedAdapter, checked, download
from redmine_mailbridge.util.dataclass import dataclass

Params = Sequence[tuple[str, str | int]]

PAGE = 100
"""Redmine's maximum page size."""
IDENTITIES = 32
"""How many identities a thread caches; a new one costs some microseconds."""
BELIEVED = 30.0
"""Seconds for which a proof is valid that Redmine itself responds and accepts the key."""
LOGIN = re.compile(r"[\x21-\x7e]{1,255}")
LATE = 0.5
"""Seconds for which a write may wait for its turn without a further check: much less than `settle`, after which another
process that has taken over the store may send the same request.
"""


@dataclass(frozen=True, slots=True)
class Connection:
    """Redmine's address and how to connect. Timeouts in seconds; `ca_file` in PEM; `proxy` an address, with its user
    and password, or "". For a gateway in front of Redmine: `gateway_user` and `gateway_password` (RFC 7617, "" for
    none), `gateway_headers`, and `client_certificate`, the files of a certificate and its key, both in PEM.
    `key_at` is where the key is configured, for messages to admins.
    """

    url: str
    key: str = field(repr=False)
    ca_file: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_parallel: int = 8
    proxy: str = field(default="", repr=False)
    user_agent: str = f"redmine-mailbridge/{__version__}"
    gateway_user: str = ""
    gateway_password: str = field(default="", repr=False)
    gateway_headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    client_certificate: tuple[str, str] | None = None
    key_at: str = "[redmine] api_key"

    @property
    def login(self) -> HTTPBasicAuth | None:
        """The gateway's credentials, sent with each request; None for none."""
        if not self.gateway_user:
            return None
        return HTTPBasicAuth(self.gateway_user.encode(), self.gateway_password.encode())

    @property
    def options(self) -> dict[str, Any]:
        """How each request is sent: what `RedmineEngine.create_session` accepts."""
        return {
            "timeouts": (self.connect_timeout, self.read_timeout),
            "verify": self.ca_file or True,
            "cert": self.client_certificate,
            "proxies": {"http": self.proxy, "https": self.proxy} if self.proxy else {},
            "auth": self.login,
            "headers": {**self.gateway_headers, "User-Agent": self.user_agent},
        }

    def session(self, connect_timeout: float, read_timeout: float) -> BoundedSession:
        """A session of its own, without the API key, with these timeouts in seconds at most."""
        timeouts = (min(connect_timeout, self.connect_timeout), min(read_timeout, self.read_timeout))
        return RedmineEngine.create_session(**(self.options | {"timeouts": timeouts}))


class SizedBody:
    """A body sent in pieces with a known Content-Length (HTTP without chunked encoding, which some proxies reject)."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]], size: int) -> None:
        self._chunks = chunks
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, before it is sent."""

    method: str
    path: str
    params: Params = ()
    data: Any = None
    as_login: str | None = None
    headers: dict[str, str] | None = None


class Client:
    """Requests to one Redmine. Thread-safe.

    `as_login` is the user that a request is made as (X-Redmine-Switch-User); None is the key's own user.
    Every method raises `RedmineUnavailable`, `RedmineUnclear` (write requests only) or `RedmineRefused`.
    """

    def __init__(
        self,
        connection: Connection,
        limiter: AdaptiveLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.limiter = limiter or AdaptiveLimiter(connection.max_parallel, clock)
        self.clock_offset: dt.timedelta | None = None
        self.denied = False
        """Whether the last response was that the key is not accepted (`AccessDenied`)."""
        self._base = connection.url.rstrip("/")
        self._clock = clock
        self._adapter = SharedAdapter(connection.max_parallel)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._requests = 0
        self._believed_until = float("-inf")
        self._on_unknown_login: list[Callable[[str], None]] = []
        self._on_heard: list[Callable[[str | None], None]] = []
        self._on_answer: list[Callable[[str, str, Response, str | None], None]] = []
        self._before_late_write: list[Callable[[], object]] = []
        self._before_bytes: list[Callable[[], object]] = []

    @property
    def requests(self) -> int:
        """How many requests have been made."""
        return self._requests

    def get(self, path: str, params: Params = (), *, as_login: str | None = None) -> Response:
        """Given a path such as "/issues/1.json", return its content."""
        return self._request(_Asked("get", path, params, None, as_login))

    def get_or_none(self, path: str, params: Params = ()) -> Response | None:
        """Given a path, return its content; None if it does not exist, or the key may not see it (404, 403)."""
        try:
            return self.get(path, params)
        except RedmineRefused as error:
            if error.status in (403, 404):
                return None
            raise

    def post(self, path: str, data: Any, params: Params = (), *, as_login: str | None = None) -> Response:
        """Given a path and a JSON value, POST it. Return the response, {} if it is empty."""
        return self._request(_Asked("post", path, params, data, as_login))

    def put(self, path: str, data: Any, *, as_login: str | None = None) -> Response:
        """Given a path and a JSON value, PUT it. Redmine responds with 204, whatever it actually applied."""
        return self._request(_Asked("put", path, (), data, as_login))

    def delete(self, path: str) -> Response:
        """Given a path, DELETE it."""
        return self._request(_Asked("delete", path))

    def upload(self, params: Params, body: SizedBody, *, as_login: str | None = None) -> Response:
        """Given the parameters of /uploads.json and a body, upload it as one file. Return the response."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._request(_Asked("post", "/uploads.json", params, body, as_login, headers))

    def download(self, attachment: int, name: str, most: int) -> bytes:
        """Given an attachment's id and file name, return its bytes. Raise RedmineRefused if it does not exist, or is
        larger than `most` bytes.
        """
        url = f"{self._base}/attachments/download/{attachment}/{quote(name, safe='', errors='replace')}"
        session = self._engine(None).session
        with self.limiter.slot():
            with self._lock:
                self._requests += 1
            return download(session, url, most)

    def pages(self, path: str, container: str, params: Params = ()) -> Iterator[dict[str, Any]]:
        """Given the path of a list and its name in the response, yield its entries over all pages."""
        offset = 0
        while True:
            answer = self.get(path, [*params, ("limit", PAGE), ("offset", offset)])
            entries = answer.get(container)
            if not isinstance(entries, list):
                raise RedmineUnavailable(f"GET {self._base}{path}: no list of {container} in the response")
            yield from entries
            offset += len(entries)
            if not entries or offset >= int(answer.get("total_count", offset)):
                return

    def whoami(self, params: Params = ()) -> dict[str, Any]:
        """Return the key's own user: the only request that proves that Redmine responds and accepts the key.

        Every other list of a public Redmine returns the anonymous view for a wrong key, and 403 if its REST API is
        disabled. Raise `RedmineUnavailable`, whose text says what to do.
        """
        try:
            answer = self._once(_Asked("get", "/users/current.json", params))
        except RedmineRefused as error:
            if error.status == 403:
                raise AccessDenied(f"GET {self._base}/users/current.json: {NO_API}") from None
            raise RedmineUnavailable(str(error)) from None
        user = answer.get("user")
        if not isinstance(user, dict) or "id" not in user:
            raise RedmineUnavailable(
                f"GET {self._base}/users/current.json: this is not a Redmine (no user in the response)"
            )
        self._believed_until = self._clock() + BELIEVED
        user.pop("api_key", None)
        return user

    def on_unknown_login(self, callback: Callable[[str], None]) -> None:
        """Given a callable, call it with each login that Redmine rejects to act as (unknown or locked)."""
        self._on_unknown_login.append(callback)

    def on_heard(self, callback: Callable[[str | None], None]) -> None:
        """Given a callable, call it after each request: with None if Redmine executed it, with the error text
        if Redmine was unavailable. It is not called for a refusal."""
        self._on_heard.append(callback)

    def on_answer(self, callback: Callable[[str, str, Response, str | None], None]) -> None:
        """Given a callable, call it with method, path, response and login of each request that Redmine executed."""
        self._on_answer.append(callback)

    def before_late_write(self, callback: Callable[[], object]) -> None:
        """Given a callable, call it before each write that waited for its turn for more than LATE seconds. What it
        raises is raised, and nothing is sent.
        """
        self._before_late_write.append(callback)

    def before_bytes(self, callback: Callable[[], object]) -> None:
        """Given a callable, call it directly before each piece of a request that writes is sent, its last one included.
        What it raises is raised, and Redmine does not get the rest of the request.
        """
        self._before_bytes.append(callback)

    def note_time(self, server: dt.datetime) -> None:
        """Given Redmine's time of an object that it has just created, store its difference from the local clock.

        A response's Date does not show it: that may be a proxy's clock.
        """
        self.clock_offset = server - dt.datetime.now(dt.UTC)

    def close(self) -> None:
        """Close the connections. The client can still be used, and opens new ones."""
        self._adapter.close()

    def _request(self, asked: _Asked) -> Response:
        """Send. A refusal is accepted only from a Redmine that also accepts the key, which is checked first."""
        if asked.as_login is not None and LOGIN.fullmatch(asked.as_login) is None:
            raise UnknownLogin(f"no request can be made as the login {asked.as_login!a}")
        try:
            return self._once(asked)
        except RedmineRefused as error:
            if error.status not in (413, 422) and self._clock() >= self._believed_until:
                self.whoami()
            raise

    def _once(self, asked: _Asked) -> Response:
        engine, asked_at = self._engine(asked.as_login), self._clock()
        with self.limiter.slot():
            if asked.method != "get" and self._clock() - asked_at > LATE:
                for check in self._before_late_write:
                    check()
            with self._lock:
                self._requests += 1
            try:
                with checked(self._before_bytes if asked.method != "get" else ()):
                    answer: Response = engine.request(
                        asked.method, self._base + asked.path, asked.headers, list(asked.params), asked.data
                    )
            except UnknownLogin:
                for callback in self._on_unknown_login:
                    callback(asked.as_login or "")
                raise
            except AccessDenied as error:
                denied = self._with_place(error)
                denied.writing, denied.sent = asked.method != "get", True
                self._heard(str(denied), denied=True)
                raise denied from None
            except (RedmineUnavailable, RedmineUnclear) as error:
                if isinstance(error, RedmineUnavailable):
                    error.writing = asked.method != "get"
                self._heard(str(error))
                raise
        self._heard(None)
        for listener in self._on_answer:
            listener(asked.method, asked.path, answer, asked.as_login)
        return answer

    def _with_place(self, error: AccessDenied) -> AccessDenied:
        """Given a denied access, return it with the place of the key, if it is the key that was rejected."""
        if not error.key:
            return error
        where = "copy the key of the bridge's user (My account, API access key) to "
        return AccessDenied(f"{error}: {where}{self.connection.key_at}", key=True)

    def _heard(self, words: str | None, *, denied: bool = False) -> None:
        self.denied = denied
        for callback in self._on_heard:
            callback(words)

    def _engine(self, as_login: str | None) -> RedmineEngine:
        """Given an identity, return this thread's engine for it."""
        known: OrderedDict[str | None, RedmineEngine] = self._mine.__dict__.setdefault("engines", OrderedDict())
        engine = known.get(as_login)
        if engine is None:
            engine = known[as_login] = self._new_engine(as_login)
            if len(known) > IDENTITIES:
                known.popitem(last=False)
        else:
            known.move_to_end(as_login)
        return engine

    def _new_engine(self, as_login: str | None) -> RedmineEngine:
        c = self.connection
        options = c.options | {"adapter": self._adapter}
        options["headers"] |= {"Accept": "application/json", "Accept-Encoding": "identity"}
        redmine = Redmine(c.url, key=c.key, impersonate=as_login, engine=RedmineEngine, requests=options)
        engine: RedmineEngine = redmine.engine
        return engine
