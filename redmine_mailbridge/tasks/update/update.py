"""The update task: what happens to issues that exist already, station by station.

replies    the answers of customers that waited for this task become notes
answers    what agents wrote goes out by mail
rules      what has been quiet for too long is reminded of, closed, escalated
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)


class Station(Protocol):
    """One kind of work of the update task."""

    @property
    def name(self) -> str:
        """One word for lists and logs."""

    def once(self, stop: threading.Event) -> StationResult:
        """Do what there is to do, until the stop sign. A fault of ours may be in the result or be raised."""


class Updater:
    """Runs the stations in their order; what ends one early ends only that one."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations = stations

    def once(self, stop: threading.Event) -> StationResult:
        """Do all there is to do. Return the sum, with the first error and its station."""
        result = StationResult()
        for station in self._stations:
            if stop.is_set():
                break
            try:
                one = station.once(stop)
            except MailbridgeError as error:
                one = StationResult(error=str(error))
            except Exception as error:  # noqa: BLE001 - the border of a station: the others have their turn
                log.error("update.fault", station=station.name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
                one = StationResult(error=fault(error))
            if one.error:
                log.warning("update.interrupted", station=station.name, reason=one.error)
            result = result.and_also(one, station.name)
        return result
