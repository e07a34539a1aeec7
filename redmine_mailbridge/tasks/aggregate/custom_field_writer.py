"""Writes what was computed into custom fields of issues and projects: only what changed, and looks whether it stayed.

Writing the same value twice is no change to Redmine, so a crash between writing and remembering does no harm.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.verification import issue_drift
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.aggregate_results import Results

log = structlog.get_logger(__name__)


TRY_AGAIN = 86_400.0
"""Seconds after which a field that did not take its value is tried again: an admin may have mended it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values that one issue or project shall have, by the names of custom fields. `project` is its identifier."""

    kind: str
    of: int
    project: str
    values: Mapping[str, str]


class FieldWriter:
    """Writes to at most `most` issues and projects a run."""

    def __init__(self, client: Client, directory: Directory, results: Results, *, most: int = 100) -> None:
        self._client = client
        self._directory = directory
        self._results = results
        self._most = most

    def write(self, wanted: Iterator[Wanted], stop: threading.Event, now: float) -> tuple[int, int]:
        """Given what shall be there, write what is other than was written last. Return how many took it, and did not.

        Raise RedmineUnavailable; what was written until then is remembered.
        """
        known = {kind: self._results.written(kind, now, refused_within=TRY_AGAIN) for kind in ("issue", "project")}
        done = failed = 0
        for one in wanted:
            if stop.is_set() or done + failed >= self._most:
                break
            written = known[one.kind]
            changed = {name: value for name, value in one.values.items() if written.get((one.of, name), "") != value}
            if not changed:
                continue
            refused = self._write(one, changed)
            self._results.put_written(one.kind, one.of, changed, refused, now)
            done, failed = done + (not refused), failed + bool(refused)
            for name, why in refused.items():
                log.warning("aggregate.field", kind=one.kind, number=one.of, field=name, reason=why)
        return done, failed

    def _write(self, one: Wanted, values: Mapping[str, str]) -> dict[str, str]:
        """Write. Return, for each field that did not take its value, why."""
        try:
            ids = self._ids(one)
            missing = {name: "there is no such custom field there" for name in values if name.lower() not in ids}
            fields = [
                {"id": ids[name.lower()], "value": value} for name, value in values.items() if name not in missing
            ]
            if not fields:
                return missing
            path = f"/{one.kind}s/{one.of}.json"
            with effect(Effect.WRITE_FIELD):
                self._client.put(path, {one.kind: {"custom_fields": fields}})
            found: dict[str, Any] = self._client.get(path)[one.kind]
        except RedmineRefused as error:
            return dict.fromkeys(values, str(error))
        drift = "; ".join(str(line) for line in issue_drift({"custom_fields": fields}, found))
        return missing | (dict.fromkeys((name for name in values if name not in missing), drift) if drift else {})

    def _ids(self, one: Wanted) -> Mapping[str, int]:
        if one.kind == "issue":
            project = self._directory.project(one.project)
            return project.custom_fields if project is not None else {}
        found = self._client.get(f"/projects/{one.of}.json")["project"].get("custom_fields", ())
        return {str(field["name"]).lower(): int(field["id"]) for field in found}
