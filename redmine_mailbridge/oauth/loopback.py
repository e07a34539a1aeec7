"""Waits on this machine for the browser that a provider sends back (RFC 8252, section 7.3)."""

import http.server
import threading
from types import TracebackType
from typing import Any, Self

_DONE = b"<!doctype html><meta charset=utf-8><title>redmine-mailbridge</title><p>That was it: close this window."


class Loopback:
    """A context: within it a port of 127.0.0.1 waits for one answer. `host` is what the provider calls this machine."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._answer = ""
        self._came = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                """Take the address if it is an answer; the browser asks for other things too."""
                is_answer = self.path.startswith("/?") and "state=" in self.path
                self.send_response(200 if is_answer else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(_DONE if is_answer else b"")
                if is_answer:
                    outer.answered(self.path)

            def log_message(self, *_args: Any) -> None:
                """Say nothing: the address holds a secret."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        slash = "" if host == "localhost" else "/"  # Microsoft knows the address as http://localhost
        self.redirect_uri = f"http://{host}:{self._server.server_port}{slash}"

    def answered(self, path: str) -> None:
        """The browser came, with this path and query."""
        self._answer = path
        self._came.set()

    def wait(self, seconds: float) -> str | None:
        """Return the path and query that the browser came with; None when it did not come in time."""
        return self._answer if self._came.wait(seconds) else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
