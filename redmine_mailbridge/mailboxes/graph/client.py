"""Microsoft Graph v1.0 over plain requests: one address, one token, whole answers, errors that are ours.

Source: https://learn.microsoft.com/graph/api/resources/message and the pages on paging, throttling and errors.
"""

import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from redmine_mailbridge.errors import LoginRefused, MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.errors import Spoiled, scrub, words
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
PIECE = 1 << 16


class Refused(MailboxError):
    """Graph refused one request, in its own words; `status` and `code` tell which way."""

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there (any more)."""
        return self.status == 404 or self.code in {"ErrorItemNotFound", "ErrorInvalidIdMalformed"}


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

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Given a method and a path below the mailbox, or a link of Graph's, return the JSON answer, {} for none.

        Raise Refused, LoginRefused, MailboxUnreachable.
        """
        with self._asked(method, path, **options) as answer:
            if answer.status_code == 204 or not answer.content:
                return {}
            try:
                value = answer.json()
            except ValueError:
                raise Spoiled(f"{self.where}: what the server sent is no JSON") from None
            return value if isinstance(value, dict) else {}

    def pages(self, path: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Given a path, yield every page of its answer; the last one may hold `@odata.deltaLink`.

        Raise MailboxUnreachable where the pages lead back to one that was there, or have no end.
        """
        page = self.call("GET", path, **options)
        yield page
        seen: set[str] = set()
        while page.get("@odata.nextLink"):
            link = str(page["@odata.nextLink"])
            if link in seen or len(seen) == MOST_PAGES:
                raise Spoiled(f"{self.where}: the pages of the server's answer have no end")
            seen.add(link)
            page = self.call("GET", link, headers=options.get("headers"))
            yield page

    def values(self, path: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Given a path, yield every object of every page."""
        for page in self.pages(path, **options):
            yield from page.get("value", ())

    def content(self, path: str) -> Iterator[bytes]:
        """Given a path, yield the bytes there as they come. Raise as `call`."""
        with self._asked("GET", path, stream=True) as answer:
            try:
                yield from answer.iter_content(PIECE)
            except (requests.RequestException, OSError) as error:
                raise Spoiled(f"{self.where}: the connection breaks: {type(error).__name__}") from None

    def _asked(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.root + path
        if _origin(url) != _origin(self.origin):
            raise Spoiled(f"{self.where}: the server sends us to another one, which gets no token")
        assert self.config.token is not None  # noqa: S101 - __init__ refuses without
        token = self.config.token()
        headers = {"Authorization": f"Bearer {token}", **(options.pop("headers", None) or {})}
        self.config.on_command()
        limits = (min(CONNECT_TIME, self.config.timeout), self.config.timeout)
        try:
            answer = self._session.request(
                method, url, headers=headers, timeout=limits, allow_redirects=False, auth=_as_it_is, **options
            )
        except requests.Timeout:
            raise Spoiled(f"{self.where}: no answer in time") from None
        except (requests.RequestException, OSError) as error:
            raise Spoiled(scrub(f"{self.where}: cannot connect: {words(_reason(error))}", [token])) from None
        self.tls = self.tls or _tls(answer)
        if answer.status_code >= 300:
            with answer:
                self._refuse(answer, token)
        return answer

    def _refuse(self, answer: requests.Response, token: str) -> None:
        """Given an answer that is no success, raise what it means."""
        try:
            error: Mapping[str, Any] = answer.json()["error"]
            code, said = str(error.get("code", "")), str(error.get("message", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            code, said = "", words(answer.content[:400])
        text = scrub(f"{self.where}: {answer.status_code} {code}: {words(said)}", [token])
        if answer.status_code in BUSY:
            pause = answer.headers.get("Retry-After", "")
            text += f" (retry after {pause} seconds)" if pause.isdecimal() else ""
            raise MailboxUnreachable(text, answered=True)
        if answer.status_code == 401 and self.config.token_refused is not None:
            self.config.token_refused(token)
        if answer.status_code == 401 or code in NO_RIGHT:
            raise LoginRefused(text)
        raise Refused(text, answer.status_code, code)


def _origin(url: str) -> tuple[str, str, int | None]:
    """Given a URL, return its scheme, host and port, the scheme's own where it names none (RFC 6454 section 4)."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # no number
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
