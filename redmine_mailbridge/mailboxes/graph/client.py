"""Microsoft Graph v1.0 over plain requests: one address, one token, complete responses, the bridge's errors.

Mail is read by it (`mailbox.py`) and sent by it (`outgoing/graph.py`).
Source: https://learn.microsoft.com/graph/api/resources/message and the pages on paging, throttling and errors.
"""

import base64
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlsplit

import requests

from redmine_mailbridge.errors import LoginRefused, MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.errors import ConnectionLost, one_line
from redmine_mailbridge.mailboxes.graph.checked import CheckedAdapter
from redmine_mailbridge.mailboxes.graph.response import (
    PIECE,
    GraphObject,
    Unreadable,
    body_of,
    error_in,
    object_of,
    objects_in,
    pause_of,
    start_of,
)  # fmt: skip
from redmine_mailbridge.mailboxes.tls import private, version
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.sasl.mechanism import credentials

VERSION = "v1.0"
BUSY = frozenset({408, 429, 500, 502, 503, 504, 509})
NO_RIGHT = frozenset({"ErrorAccessDenied", "Authorization_RequestDenied", "MailboxNotEnabledForRESTAPI"})
PAGE = 500
MOST_PAGES = 20_000
CONNECT_TIME = 10.0
DEFAULT_PORTS = {"http": 80, "https": 443}


class GraphRefused(MailboxError):
    """Graph refused one request, in its own words; `status` and `code` tell which way."""

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there (any more)."""
        return self.status == 404 or self.code in {"ErrorItemNotFound", "ErrorInvalidIdMalformed"}


class GraphBusy(MailboxUnreachable):
    """Graph is busy (429, 503) or failed at the request (any other of 5xx): `status` says which."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text, answered=True)
        self.status = status


class GraphDenied(LoginRefused):
    """The token is good, but does not allow the request (403); `code` is Graph's word for it."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class GraphClient:
    """Given a configuration with a token, speaks for one mailbox. Raise LoginRefused when it has none, or may not."""

    def __init__(self, config: MailboxConfig) -> None:
        self.config = config
        self.where = f"mailbox {config.name} ({config.host}:{config.port})"
        if config.token is None:
            raise LoginRefused(f"{self.where}: Microsoft Graph takes OAuth tokens only: give oauth")
        if not private(config):
            raise LoginRefused(f"{self.where}: without TLS no token is sent")
        scheme = "http" if config.security is Security.NONE else "https"
        port = "" if config.port == DEFAULT_PORTS[scheme] else f":{config.port}"
        self.origin = f"{scheme}://{config.host}{port}"
        who = credentials(config)
        self.root = f"{self.origin}/{VERSION}/users/{quote(who.mailbox, safe='@')}"
        self.tls = ""
        self._session = requests.Session()
        self._session.verify = str(config.ca_file) if config.ca_file else True
        if config.before_change is not None:
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, CheckedAdapter(config.before_change))

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Given a method and a path below the mailbox, or a link of Graph's, return the JSON answer, {} for none.

        Raise Refused, LoginRefused, MailboxUnreachable.
        """
        with self._asked(method, path, **options) as answer:
            return self._read(answer)

    def post_mime(self, path: str, content: bytes) -> dict[str, Any]:
        """Given a path and a mail's bytes, post the mail, in base64 as Graph demands. Return and raise as `call`."""
        return self.call("POST", path, data=base64.b64encode(content), headers={"Content-Type": "text/plain"})

    def pages(self, path: str, *, most: int | None = None, **options: Any) -> Iterator[dict[str, Any]]:
        """Given a path, yield every page of its answer, at most so many; the last one may hold `@odata.deltaLink`.

        Raise MailboxUnreachable where the pages lead back to one that was there, or have no end.
        """
        page = self.call("GET", path, **options)
        yield page
        seen: set[str] = set()
        while page.get("@odata.nextLink"):
            link = str(page["@odata.nextLink"])
            if link in seen or len(seen) == (most or MOST_PAGES):
                raise ConnectionLost(f"{self.where}: the pages of the server's answer have no end")
            seen.add(link)
            page = self.call("GET", link, headers=options.get("headers"))
            yield page

    def values(self, path: str, *, most: int | None = None, **options: Any) -> Iterator[dict[str, Any]]:
        """Given a path, yield every object of every page, as `pages`. Raise ConnectionLost where a page has no list."""
        for page in self.pages(path, most=most, **options):
            yield from self.objects(page)

    def objects(self, page: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Given a page, return the objects of its list. Raise ConnectionLost if it lacks the list."""
        try:
            return objects_in(page.get("value"))
        except Unreadable as error:
            raise ConnectionLost(f"{self.where}: {error}") from None

    def content(self, path: str) -> Iterator[bytes]:
        """Given a path, yield the bytes there as they come. Raise as `call`."""
        with self._asked("GET", path) as answer:
            try:
                yield from answer.iter_content(PIECE)
            except (requests.RequestException, OSError) as error:
                raise ConnectionLost(f"{self.where}: the connection breaks: {type(error).__name__}") from None

    def put(self, url: str, content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Given the address of an upload session, put a piece there; return the JSON answer, {} for none.

        The address is on another host and is the permission itself: it is sent no token, and no error shows it. Raise
        MailboxUnreachable; a session that is refused has ended, which says nothing of the mailbox.
        """
        origin = _origin(url)
        if origin != _origin(self.origin) and origin[0] != "https":
            raise ConnectionLost(f"{self.where}: the server sends us to an address without TLS, which gets no mail")
        parts = urlsplit(url)
        secrets = (url, parts.path, *(value for _, value in parse_qsl(parts.query)))
        with self._request("PUT", url, headers, secrets, data=content) as answer:
            if answer.status_code < 300:
                return self._read(answer)
            try:
                self._refuse(answer, *secrets)
            except (LoginRefused, GraphRefused) as error:
                raise ConnectionLost(f"the upload of a file is refused: {error}") from None

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        """Given a successful answer, return its JSON object, {} for none."""
        try:
            body = body_of(answer)
            return object_of(body) if body else GraphObject()
        except Unreadable as error:
            raise ConnectionLost(f"{self.where}: {error}") from None
        except (requests.RequestException, OSError) as error:
            raise ConnectionLost(f"{self.where}: the connection breaks: {type(error).__name__}") from None

    def _asked(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request. Where its token has ended, nothing was done: send it once more with a new one."""
        url = path if path.startswith("http") else self.root + path
        if _origin(url) != _origin(self.origin):
            raise ConnectionLost(f"{self.where}: the server sends us to another one, which gets no token")
        extra_headers = options.pop("headers", None) or {}
        token = self._token()
        answer = self._request(method, url, {"Authorization": f"Bearer {token}", **extra_headers}, (token,), **options)
        if answer.status_code == 401 and self.config.token_refused is not None:
            self.config.token_refused(token)
            if (renewed := self._token()) != token:
                answer.close()
                token, headers = renewed, {"Authorization": f"Bearer {renewed}", **extra_headers}
                answer = self._request(method, url, headers, (token,), **options)
                if answer.status_code == 401:
                    self.config.token_refused(token)
        self.tls = self.tls or _tls(answer)
        if answer.status_code >= 300:
            with answer:
                self._refuse(answer, token)
        return answer

    def _token(self) -> str:
        assert self.config.token is not None  # noqa: S101 - __init__ refuses without
        return self.config.token()

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], secrets: tuple[str, ...], **options: Any
    ) -> requests.Response:
        self.config.on_command()
        if self.config.before_change is not None and options.get("data") and isinstance(options["data"], bytes):
            options["data"] = _LastByteApart(options["data"])
        limits = (min(CONNECT_TIME, self.config.timeout), self.config.timeout)
        try:
            return self._session.request(
                method, url, headers=dict(headers), timeout=limits, allow_redirects=False, auth=_as_it_is,
                stream=True, **options,
            )  # fmt: skip
        except requests.Timeout:
            raise ConnectionLost(f"{self.where}: no answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise ConnectionLost(f"{self.where}: cannot connect: {one_line(_reason(error), secrets)}") from None

    def _refuse(self, answer: requests.Response, *secrets: str) -> NoReturn:
        """Given an unsuccessful response, raise the error that it means."""
        code, message = error_in(start_of(answer))
        text = f"{self.where}: {answer.status_code} {one_line(code, secrets)}: {one_line(message, secrets)}"
        if answer.status_code in BUSY:
            pause = pause_of(answer)
            text += f" (retry after {pause} seconds)" if pause is not None else ""
            raise GraphBusy(text, answer.status_code)
        if answer.status_code == 401:
            raise LoginRefused(text)
        if code in NO_RIGHT:
            raise GraphDenied(text, code)
        raise GraphRefused(text, answer.status_code, code)


class _LastByteApart:
    """A body whose last byte is a piece of its own, before which the connection asks."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        yield self._content[:-1]
        yield self._content[-1:]


def _origin(url: str) -> tuple[str, str, int | None]:
    """Given a URL, return its scheme, host and port, the scheme's own where it names none (RFC 6454 section 4)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # no address, or no number
        return "", "", None
    if "@" in parts.netloc:
        return "", "", None
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), port if port is not None else DEFAULT_PORTS.get(scheme)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the Authorization header alone: without this, requests would look into the user's netrc."""
    return request


def _reason(error: BaseException) -> str:
    """Given an error of requests, return the reason at its bottom, such as "Connection refused"."""
    at: BaseException | None = error
    text = type(error).__name__
    for _ in range(8):
        if at is None:
            break
        if isinstance(at, OSError) and at.strerror:
            text = at.strerror
        at = (
            getattr(at, "reason", None)
            or at.__cause__
            or at.__context__
            or next((inner for inner in at.args if isinstance(inner, BaseException)), None)
        )
    return text


def _tls(answer: requests.Response) -> str:
    """Given an answer, return the TLS version of its connection while it is known, or an empty text."""
    sock = getattr(getattr(answer.raw, "connection", None), "sock", None)
    return version(sock) if isinstance(sock, socket.socket) else ""
