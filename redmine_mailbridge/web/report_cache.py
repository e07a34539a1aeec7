"""The last reports, so that a page need not wait for one: with very many messages it takes seconds."""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from redmine_mailbridge.reports.overview import Overview

FRESH, REMEMBERED, AT_ONCE = 60.0, 20, 2
"""For how many seconds a report is shown again, how many are kept, and how many are computed at once."""
Compute = Callable[[], Overview]


class ReportCache:
    """Keeps the last report of each kind, and computes new ones in threads. Safe for many threads. Times are in epoch
    seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        """In the order in which reports are begun: the higher is the newer one, even if the clock is set back."""
        self._last: OrderedDict[Hashable, tuple[int, float, Overview]] = OrderedDict()
        self._begun: dict[Hashable, tuple[int, float, Future[tuple[float, Overview]]]] = {}

    def whole(self, kind: Hashable, now: float, compute: Compute) -> Overview:
        """Given the kind of a report, the time now and what computes it, return the one of the last minute, or a new
        one, however long that takes.
        """
        with self._lock:
            fresh, number = self._fresh(kind, now), next(self._numbers)
        if fresh is not None:
            return fresh
        overview = compute()
        with self._lock:
            self._keep(kind, number, now, overview)
        return overview

    def last(self, kind: Hashable, now: float) -> tuple[Overview | None, bool]:
        """Given the kind of a report and the time now, return the last report (None: there is none yet), and whether
        it is older than a minute: then `begin` a newer one.

        Raise what computing raised, once: the next request computes it again.
        """
        with self._lock:
            self._collect(kind)
            fresh = self._fresh(kind, now)
            if fresh is not None:
                return fresh, False
            return (self._last[kind][2] if kind in self._last else None), True

    def begin(self, kind: Hashable, now: float, compute: Compute) -> None:
        """Given the same and what computes the report, compute it in a thread, unless that is being done, has been done
        for another request since, or too many are being computed.
        """
        with self._lock:
            running = sum(not future.done() for _, _, future in self._begun.values())
            if kind not in self._begun and self._fresh(kind, now) is None and running < AT_ONCE:
                self._begin(kind, now, compute)

    def _fresh(self, kind: Hashable, now: float) -> Overview | None:
        _, at, last = self._last.get(kind, (0, 0.0, None))
        return last if abs(now - at) < FRESH else None

    def _collect(self, kind: Hashable) -> None:
        """Take over what a thread has computed in the meantime."""
        if kind in self._begun and self._begun[kind][2].done():
            number, begun, future = self._begun.pop(kind)
            took, overview = future.result()
            self._keep(kind, number, begun + took, overview)

    def _keep(self, kind: Hashable, number: int, at: float, overview: Overview) -> None:
        if kind in self._last and self._last[kind][0] > number:
            return  # a newer one has come in the meantime
        self._last[kind] = (number, at, overview)
        self._last.move_to_end(kind)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def _begin(self, kind: Hashable, now: float, compute: Compute) -> None:
        future: Future[tuple[float, Overview]] = Future()

        def work() -> None:
            began = time.monotonic()
            try:
                overview = compute()
            except BaseException as error:  # noqa: BLE001 - the request that fetches the result raises it
                future.set_exception(error)
            else:
                future.set_result((time.monotonic() - began, overview))

        if len(self._begun) >= REMEMBERED:  # results that were never asked for again
            self._begun = {begun_kind: begun for begun_kind, begun in self._begun.items() if not begun[2].done()}
        threading.Thread(target=work, name="report", daemon=True).start()
        self._begun[kind] = (next(self._numbers), now, future)  # not before: a thread that cannot start would never end
