"""Writes computed values to custom fields of issues and projects. Only changes are written, and then verified.

Redmine ignores a write of the same value, so a crash between writing and recording does no harm.
"""

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback, send_with_field
from redmine_mailbridge.redmine.verification import issue_mismatches
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)


TRY_AGAIN = 86_400.0
"""Seconds after which a field that did not accept its value is retried: an admin may have fixed it."""


@dataclass(frozen=True, slots=True)
class DesiredValues:
    """The values for one issue or project, by custom field name. `project` is the project's identifier."""

    kind: str
    of: int
    project: str
    values: Mapping[str, str]


class CustomFieldWriter:
    """Writes to at most `most` issues and projects a run."""

    def __init__(
        self,
        client: Client,
        metadata: MetadataCache,
        results: AggregateResults,
        piggyback: Piggyback | None = None,
        *,
        most: int = 100,
    ) -> None:
        self._client = client
        self._metadata = metadata
        self._results = results
        self._piggyback = piggyback
        self._most = most

    def write(self, desired_values: Iterator[DesiredValues], stop: threading.Event, now: float) -> tuple[int, int]:
        """Given the desired values, write those that differ from the last written ones. Return the numbers of issues
        and projects that accepted and that did not.

        Raise RedmineUnavailable; what was written before it is recorded.
        """
        written_by_kind = {
            kind: self._results.written(kind, now, refused_within=TRY_AGAIN) for kind in ("issue", "project")
        }
        done = failed = 0
        for desired in desired_values:
            if stop.is_set() or done + failed >= self._most:
                break
            written = written_by_kind[desired.kind]
            changed = {
                name: value for name, value in desired.values.items() if written.get((desired.of, name), "") != value
            }
            if not changed:
                continue
            refused = self._write(desired, changed)
            self._results.put_written(desired.kind, desired.of, changed, refused, now)
            done, failed = done + (not refused), failed + bool(refused)
            for name, why in refused.items():
                log.warning("aggregate.field", kind=desired.kind, number=desired.of, field=name, reason=why)
        return done, failed

    def _write(self, desired: DesiredValues, values: Mapping[str, str]) -> dict[str, str]:
        """Write the values. Return the reason for each field that did not accept its value."""
        try:
            ids = self._ids(desired)
            missing = {name: "this custom field does not exist there" for name in values if name.lower() not in ids}
            fields = [
                {"id": ids[name.lower()], "value": value} for name, value in values.items() if name not in missing
            ]
            if not fields:
                return missing
            path = f"/{desired.kind}s/{desired.of}.json"
            self._put(desired, path, {desired.kind: {"custom_fields": fields}})
            updated: dict[str, Any] = self._client.get(path)[desired.kind]
            if self._piggyback is not None and desired.kind == "issue":
                self._piggyback.confirm(desired.of, updated)
        except RedmineRefused as error:
            return dict.fromkeys(values, str(error))
        mismatches = "; ".join(str(line) for line in issue_mismatches({"custom_fields": fields}, updated))
        return missing | (
            dict.fromkeys((name for name in values if name not in missing), mismatches) if mismatches else {}
        )

    def _put(self, desired: DesiredValues, path: str, body: dict[str, Any]) -> None:
        """Send the values, and with those of an issue the field that is due."""
        send = partial(self._send, path)
        if self._piggyback is None or desired.kind != "issue":
            send(body)
        else:
            send_with_field(self._piggyback, desired.of, body, send)

    def _send(self, path: str, body: Mapping[str, Any]) -> None:
        with side_effect(SideEffect.WRITE_FIELD):
            self._client.put(path, body)

    def _ids(self, desired: DesiredValues) -> Mapping[str, int]:
        if desired.kind == "issue":
            project = self._metadata.project(desired.project)
            return project.custom_fields if project is not None else {}
        fields = self._client.get(f"/projects/{desired.of}.json")["project"].get("custom_fields", ())
        return {str(field["name"]).lower(): int(field["id"]) for field in fields}
