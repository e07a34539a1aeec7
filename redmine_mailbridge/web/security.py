"""Checks before every page: the requested host, the origin of a change, its size, and the response headers.

No page holds a script or a style of its own, so that the policy can forbid them all. A change is believed only
when the browser says that one of our own pages asked for it (Sec-Fetch-Site, Origin).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redmine_mailbridge.settings.admin import LISTEN, AdminSettings, host_and_port
from redmine_mailbridge.web.addresses import plain

LARGEST_BODY = 60_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_PROBES = ("/healthz", "/readyz")
BY_ADDRESS = ("/health", "/metrics")
"""What machines may ask for by the address of this one."""
YEAR = 365 * 86_400
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
SECURE = HEADERS | {"Strict-Transport-Security": f"max-age={YEAR}"}


class SecurityMiddleware:
    """Wraps the application. `hosts` are the names that it may be asked for, lower case, without port."""

    def __init__(self, app: ASGIApp, settings: AdminSettings) -> None:
        self._app = app
        self._prefix = settings.prefix
        self._hosts = allowed_hosts(settings)
        self._tls = (settings.url or "").startswith("https:")
        self._origin = _origin(settings.url) if settings.url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with one line."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        path = scope["path"]
        if self._prefix:  # a proxy may have taken the prefix away, or left it
            inside = path.removeprefix(self._prefix) if path.startswith(f"{self._prefix}/") else path
            path = inside if path != self._prefix else "/"
            scope = dict(scope) | {"root_path": self._prefix, "path": self._prefix + path}
        refusal = self._refusal(scope["method"], path, headers)
        if refusal is not None:
            status, words = refusal
            await PlainTextResponse(f"{words}\n", status)(scope, receive, _with_headers(send, self._headers(scope)))
            return
        await self._app(scope, receive, _with_headers(send, self._headers(scope)))

    def _headers(self, scope: Scope) -> Mapping[str, str]:
        """What every answer says; over TLS also that it is never to be had otherwise (RFC 6797)."""
        return SECURE if scope["scheme"] == "https" or self._tls else HEADERS

    def _refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Why this request gets no answer; None when it does."""
        host = headers.get("host", "").lower()
        name = _without_port(host)
        # no foreign name can be made to point here when an address was asked for; machines may
        # use any of the configured names
        is_known_host = (
            name in self._hosts or path in OPEN_TO_PROBES or (path in BY_ADDRESS and plain(name) is not None)
        )
        if not is_known_host:
            return 421, "This address is not known here. Give the one that people type as url in [admin]."
        if int(headers.get("content-length") or 0) > LARGEST_BODY:
            return 413, f"At most {LARGEST_BODY // 1_000_000} MB."
        if method not in SAFE and not self._is_ours(headers, host):
            return 403, "This request did not come from one of our own pages, so nothing was changed."
        return None

    def _is_ours(self, headers: Headers, host: str) -> bool:
        """Does the browser say that one of our pages asked? One that says nothing is not believed."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return False
        if origin is not None:
            mine = {self._origin} if self._origin else {f"http://{host}", f"https://{host}"}
            return origin.lower() in mine | ({f"http://{host}", f"https://{host}"} if site else set())
        return site == "same-origin"


def allowed_hosts(settings: AdminSettings) -> frozenset[str]:
    """Given the settings, return the host names that the pages may be asked for."""
    listening = host_and_port(settings.listen or LISTEN)[0].lower()
    named = {(urlsplit(settings.url).hostname or "").lower()} if settings.url else set()
    return frozenset({listening, "localhost", "127.0.0.1", "::1"} | named) - {"", "0.0.0.0", "::"}  # noqa: S104 - taken out


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _with_headers(send: Send, defaults: Mapping[str, str]) -> Send:
    """Add the headers that every answer has; what a page has set itself stays."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in defaults.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
