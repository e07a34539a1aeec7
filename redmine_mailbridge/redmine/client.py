"""The one way to Redmine: requests as the bridge or as another user, at a pace, with answers that can be believed.

Built on python-redmine, one object of it per identity and thread (its `session()` swaps the identity of a shared
object under other threads' hands), over connections that all of them share.
"""

import datetime as dt
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from redminelib import Redmine
from requests.auth import HTTPBasicAuth

from redmine_mailbridge import __version__
from redmine_mailbridge.errors import AccessDenied, RedmineRefused, RedmineUnavailable, RedmineUnclear, UnknownLogin
from redmine_mailbridge.redmine.concurrency import Pace
from redmine_mailbridge.redmine.responses import NO_API, Answer
from redmine_mailbridge.redmine.transport import Adapter, Engine, download

Params = Sequence[tuple[str, str | int]]

PAGE = 100
"""What Redmine gives on one page at most."""
IDENTITIES = 32
"""How many identities a thread keeps ready; one more costs some microseconds."""
BELIEVED = 30.0
"""Seconds for which one proof that Redmine itself answers, and knows the key, is enough."""
LOGIN = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where Redmine is and how to speak to it. Time-outs in seconds; `ca_file` in PEM; `proxy` an address or "".
    `gateway_user` and `gateway_password` are what a gateway in front of Redmine asks for (RFC 7617), "" for nothing.
    `key_at` says where the key stands, as an admin knows it.
    """

    url: str
    key: str = field(repr=False)
    ca_file: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_parallel: int = 8
    proxy: str = ""
    user_agent: str = f"redmine-mailbridge/{__version__}"
    gateway_user: str = ""
    gateway_password: str = field(default="", repr=False)
    key_at: str = "[redmine] api_key"

    @property
    def login(self) -> HTTPBasicAuth | None:
        """What goes to the gateway with each request, None for nothing."""
        if not self.gateway_user:
            return None
        return HTTPBasicAuth(self.gateway_user.encode(), self.gateway_password.encode())


class Sized:
    """A body that is sent in pieces under a length known before (HTTP without chunks, which some proxies refuse)."""

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
    """Requests to one Redmine. Safe to share among threads.

    `as_login` names the user that a request is made as (X-Redmine-Switch-User); None is the key's own user.
    Every method raises `RedmineUnavailable`, `RedmineUnclear` (writing requests only) or `RedmineRefused`.
    """

    def __init__(
        self, connection: Connection, pace: Pace | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection = connection
        self.pace = pace or Pace(connection.max_parallel, clock)
        self.skew: dt.timedelta | None = None
        self._base = connection.url.rstrip("/")
        self._clock = clock
        self._adapter = Adapter(connection.max_parallel)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._requests = 0
        self._believed_until = float("-inf")
        self._on_unknown_login: list[Callable[[str], None]] = []
        self._on_heard: list[Callable[[str | None], None]] = []
        self._on_answer: list[Callable[[str, str, Answer], None]] = []

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._requests

    def get(self, path: str, params: Params = (), *, as_login: str | None = None) -> Answer:
        """Given a path such as "/issues/1.json", return what is there."""
        return self._request(_Asked("get", path, params, None, as_login))

    def post(self, path: str, data: Any, params: Params = (), *, as_login: str | None = None) -> Answer:
        """Given a path and a JSON value, make what it says. Return the answer, {} when it has none."""
        return self._request(_Asked("post", path, params, data, as_login))

    def put(self, path: str, data: Any, *, as_login: str | None = None) -> Answer:
        """Given a path and a JSON value, change what it says. Redmine answers 204, whatever it really took."""
        return self._request(_Asked("put", path, (), data, as_login))

    def delete(self, path: str) -> Answer:
        """Given a path, remove what is there."""
        return self._request(_Asked("delete", path))

    def upload(self, params: Params, body: Sized, *, as_login: str | None = None) -> Answer:
        """Given the parameters of /uploads.json and a body, send it as one file. Return the answer."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._request(_Asked("post", "/uploads.json", params, body, as_login, headers))

    def download(self, attachment: int, name: str, most: int) -> bytes:
        """Given an attachment's id and file name, return its bytes. Raise RedmineRefused when it is not there, or
        larger than `most` bytes.
        """
        url = f"{self._base}/attachments/download/{attachment}/{quote(name, safe='', errors='replace')}"
        session = self._engine(None).session
        with self.pace.slot():
            with self._lock:
                self._requests += 1
            return download(session, url, most)

    def pages(self, path: str, container: str, params: Params = ()) -> Iterator[dict[str, Any]]:
        """Given the path of a list and the name it has in the answer, yield its entries over all its pages."""
        offset = 0
        while True:
            answer = self.get(path, [*params, ("limit", PAGE), ("offset", offset)])
            entries = answer.get(container)
            if not isinstance(entries, list):
                raise RedmineUnavailable(f"GET {self._base}{path}: no list of {container} in the answer")
            yield from entries
            offset += len(entries)
            if not entries or offset >= int(answer.get("total_count", offset)):
                return

    def whoami(self, params: Params = ()) -> dict[str, Any]:
        """Return the key's own user: the only request that proves that Redmine answers and knows the key.

        Every other list of a public Redmine answers a wrong key with the anonymous view, or a REST API that is
        switched off with 403. Raise `RedmineUnavailable` with what to do about it.
        """
        try:
            answer = self._once(_Asked("get", "/users/current.json", params))
        except RedmineRefused as error:
            if error.status == 403:
                raise AccessDenied(f"GET {self._base}/users/current.json: {NO_API}") from None
            raise RedmineUnavailable(str(error)) from None
        user = answer.get("user")
        if not isinstance(user, dict) or "id" not in user:
            raise RedmineUnavailable(f"GET {self._base}/users/current.json: that is not a Redmine (no user in it)")
        self._believed_until = self._clock() + BELIEVED
        user.pop("api_key", None)
        return user

    def on_unknown_login(self, callback: Callable[[str], None]) -> None:
        """Given a callable, call it with a login that Redmine would not act as (unknown, or locked since)."""
        self._on_unknown_login.append(callback)

    def on_heard(self, callback: Callable[[str | None], None]) -> None:
        """Given a callable, call it after each request: with None when Redmine did what it was asked, with the words
        of the failure when it was away. A refusal says neither."""
        self._on_heard.append(callback)

    def on_answer(self, callback: Callable[[str, str, Answer], None]) -> None:
        """Given a callable, call it with method, path and answer of each request that Redmine carried out."""
        self._on_answer.append(callback)

    def note_time(self, server: dt.datetime) -> None:
        """Given Redmine's clock as the time of something that it made just now, keep how far it is from ours.

        An answer's Date does not tell it: that may be the clock of a proxy.
        """
        self.skew = server - dt.datetime.now(dt.UTC)

    def close(self) -> None:
        """Close the connections. The client can still be used, and opens new ones."""
        self._adapter.close()

    def _request(self, asked: _Asked) -> Answer:
        """Send. A refusal is believed only from a Redmine that also knows the key, so ask it that first."""
        if asked.as_login is not None and LOGIN.fullmatch(asked.as_login) is None:
            raise UnknownLogin(f"no request can be made as the login {asked.as_login!a}")
        try:
            return self._once(asked)
        except RedmineRefused as error:
            if error.status not in (413, 422) and self._clock() >= self._believed_until:
                self.whoami()
            raise

    def _once(self, asked: _Asked) -> Answer:
        engine = self._engine(asked.as_login)
        with self.pace.slot():
            with self._lock:
                self._requests += 1
            try:
                answer: Answer = engine.request(
                    asked.method, self._base + asked.path, asked.headers, list(asked.params), asked.data
                )
            except UnknownLogin:
                for callback in self._on_unknown_login:
                    callback(asked.as_login or "")
                raise
            except AccessDenied as error:
                denied = self._with_place(error)
                denied.writing, denied.sent = asked.method != "get", True
                self._heard(str(denied))
                raise denied from None
            except (RedmineUnavailable, RedmineUnclear) as error:
                if isinstance(error, RedmineUnavailable):
                    error.writing = asked.method != "get"
                self._heard(str(error))
                raise
        self._heard(None)
        for listener in self._on_answer:
            listener(asked.method, asked.path, answer)
        return answer

    def _with_place(self, error: AccessDenied) -> AccessDenied:
        """Given that we are not let in, return it with the place of the key, where it is the key that is not taken."""
        if not error.key:
            return error
        where = "put the key that Redmine shows the bridge's user (My account, API access key) into "
        return AccessDenied(f"{error}: {where}{self.connection.key_at}", key=True)

    def _heard(self, words: str | None) -> None:
        for callback in self._on_heard:
            callback(words)

    def _engine(self, as_login: str | None) -> Engine:
        """Given an identity, return this thread's engine for it."""
        known: OrderedDict[str | None, Engine] = self._mine.__dict__.setdefault("engines", OrderedDict())
        engine = known.get(as_login)
        if engine is None:
            engine = known[as_login] = self._new_engine(as_login)
            if len(known) > IDENTITIES:
                known.popitem(last=False)
        else:
            known.move_to_end(as_login)
        return engine

    def _new_engine(self, as_login: str | None) -> Engine:
        c = self.connection
        options = {
            "adapter": self._adapter,
            "timeouts": (c.connect_timeout, c.read_timeout),
            "verify": c.ca_file or True,
            "proxies": {"http": c.proxy, "https": c.proxy} if c.proxy else {},
            "auth": c.login,
            "headers": {"User-Agent": c.user_agent, "Accept": "application/json", "Accept-Encoding": "identity"},
        }
        redmine = Redmine(c.url, key=c.key, impersonate=as_login, engine=Engine, requests=options)
        engine: Engine = redmine.engine
        return engine
