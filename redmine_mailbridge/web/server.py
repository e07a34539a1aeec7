"""Serves the pages: uvicorn in a thread, on a socket that is opened first, to report a port in use at once."""

import socket
import threading
from ipaddress import ip_network
from typing import Self

import structlog
import uvicorn
from starlette.types import ASGIApp

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.admin import AdminSettings, host_and_port
from redmine_mailbridge.util.error_boundary import Enduring
from redmine_mailbridge.web.connections import ConnectionLimits, HttpProtocol, LimitedServer

log = structlog.get_logger(__name__)


class AdminServer:
    """The listener of the pages. `start` returns when it listens, `stop` when it has ended."""

    def __init__(
        self, app: ASGIApp, settings: AdminSettings, listen: str, limits: ConnectionLimits | None = None
    ) -> None:
        self._listen = listen
        self._tls = settings.certificate_file is not None
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=HttpProtocol,
            loop="asyncio",
            server_header=False,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=[str(ip_network(proxy, strict=False)) for proxy in settings.proxies],
            ssl_certfile=settings.certificate_file,
            ssl_keyfile=str(settings.certificate_key_file) if settings.certificate_key_file else None,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=10,
        )
        try:
            config.load()
        except OSError as error:  # an unreadable certificate, or a key that is not its own
            words = error.strerror or str(error)
            raise SettingsError(f"[admin] certificate_file: {settings.certificate_file}: {words}") from error
        self._config = config
        self._proxies, self._limits = settings.proxies, limits or ConnectionLimits()
        self._server = LimitedServer(config, self._proxies, self._limits)
        self._socket: socket.socket | None = None
        self._stop = threading.Event()
        self._thread = Enduring("admin", self._serve, self._stop)

    @property
    def address(self) -> str:
        """Where it listens, as a web address."""
        host, port = host_and_port(self._listen)
        if self._socket is not None:
            port = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' if self._tls else ''}://{shown}:{port}"

    def start(self) -> Self:
        """Listen. Raise SettingsError when the port is taken."""
        host, port = host_and_port(self._listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise SettingsError(f"[admin] listen: {self._listen}: {error.strerror or error}") from error
        self._socket = listener
        self._thread.start()
        log.info("admin.listening", address=self.address)
        return self

    def _serve(self) -> None:
        """Serve until the end; uvicorn closes what it listened on, and cannot be used twice."""
        assert self._socket is not None  # noqa: S101 - `start` has opened it
        self._server = LimitedServer(self._config, self._proxies, self._limits)
        if not self._stop.is_set():
            self._server.run([self._socket.dup()])

    def stop(self) -> None:
        """Let the answers under way end, and stop."""
        self._stop.set()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self._socket is not None:
            self._socket.close()
