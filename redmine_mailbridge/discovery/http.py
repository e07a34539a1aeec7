"""Fetches small public documents: with limits of time, size and redirections, and without anything that identifies us.

No cookie, no netrc, no Authorization header; a server that asks for a login gets none.
"""

import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import requests

from redmine_mailbridge.discovery.model import NobodyAnswers, NothingFound, usable_host
from redmine_mailbridge.util.dataclass import dataclass

TIME = 6.0
SIZE = 256 * 1024
HOPS = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back in the end: the address it came from, status, content, and where it sent us if no further."""

    url: str
    status: int
    content: bytes
    location: str = ""


class Web:
    """Given `locate`, which says where an address is really fetched from (tests: from this machine), fetch."""

    def __init__(self, locate: Callable[[str], str] = lambda url: url, *, timeout: float = TIME) -> None:
        self._locate = locate
        self._timeout = timeout

    def get(self, url: str, *, hops: int = HOPS) -> Reply:
        """Given an address, return the document. Raise NothingFound when there is none."""
        return self._ask("GET", url, None, hops)

    def post(self, url: str, body: bytes) -> Reply:
        """Given an address and XML, send it; only to the address itself and to https where that sends us."""
        return self._ask("POST", url, body, HOPS)

    def _ask(self, method: str, url: str, body: bytes | None, hops: int) -> Reply:
        deadline = time.monotonic() + self._timeout
        for _ in range(hops + 1):
            reply = self._once(method, url, body, deadline)
            if not reply.location or hops == 0:
                return reply
            target = urljoin(url, reply.location)
            parts = urlsplit(target)
            if parts.scheme != "https" or not usable_host(parts.hostname or "") or parts.username:
                raise NothingFound("sends us on to an address that is not protected")
            url = target
        raise NothingFound("sends us on and on")

    def _once(self, method: str, url: str, body: bytes | None, deadline: float) -> Reply:
        left = deadline - time.monotonic()
        if left <= 0:
            raise NothingFound("no answer in time")
        headers = {"Content-Type": "text/xml; charset=utf-8"} if body is not None else {}
        try:
            with requests.request(
                method, self._locate(url), data=body, headers=headers, timeout=left, stream=True,
                allow_redirects=False, auth=_nobody,
            ) as answer:  # fmt: skip
                content = bytearray()
                for piece in answer.iter_content(8192):
                    content += piece
                    if len(content) > SIZE:
                        raise NothingFound(f"is larger than {SIZE // 1024} KiB")
                    if time.monotonic() > deadline:
                        raise NothingFound("no answer in time")
                location = answer.headers.get("Location", "") if answer.is_redirect else ""
                return Reply(url, answer.status_code, bytes(content), location)
        except (requests.RequestException, ValueError) as error:
            raise _why(error) from None


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials: without this, requests would look into the user's netrc."""
    return request


def _why(error: Exception) -> NothingFound:
    if isinstance(error, requests.Timeout):
        return NothingFound("no answer in time")
    if isinstance(error, requests.exceptions.SSLError):
        return NothingFound("its certificate is not accepted")
    text = str(error).lower()
    for words, away in (
        ("temporary failure in name resolution", "DNS does not answer"),
        ("network is unreachable", "no way there: the network is unreachable"),
    ):
        if words in text:
            return NobodyAnswers(away)
    for words, why in (
        ("name or service not known", "no such name"),
        ("failed to resolve", "no such name"),
        ("refused", "nothing listens there"),
    ):
        if words in text:
            return NothingFound(why)
    return NothingFound("cannot be reached")
