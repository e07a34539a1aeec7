"""Connections that ask before each piece of a request that changes something is sent.

A connection is made when the first request needs it, which may take seconds: what is asked before that is old by then.
"""

from collections.abc import Callable
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_write


class CheckedAdapter(HTTPAdapter):
    """Calls `check` directly before each piece of a request is sent, other than GET. What it raises is raised, and the
    server does not get the rest.
    """

    def __init__(self, check: Callable[[], object]) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool from connections that ask."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._check)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Create the pool behind a proxy likewise."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._check)
        return manager


def _pools(check: Callable[[], object]) -> dict[str, Any]:
    kinds = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    return {
        scheme: type(kind.__name__, (kind,), {"ConnectionCls": _asking(kind, check)}) for scheme, kind in kinds.items()
    }


def _asking(kind: Any, check: Callable[[], object]) -> Any:
    class Asking(kind.ConnectionCls):  # type: ignore[misc]  # a class that is known at run time
        def send(self, data: Any) -> None:
            """As http.client says."""
            if self.sock is None and self.auto_open:
                self.connect()
            if self._method not in {None, "GET"}:  # None: a proxy is asked for a tunnel
                wait_for_write(self.sock, self.sock.gettimeout())
                check()
            super().send(data)

    return Asking
