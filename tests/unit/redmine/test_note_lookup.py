"""The issue of a note, by its number and its second."""

import json

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.note_lookup import MOST_ISSUES, NoteLocator
from tests.unit.redmine.tiny import Seen, answer, serve


def test_the_issue_of_a_note() -> None:
    """A note's issue is found among those changed since its second, the one changed longest ago first."""
    targets: list[str] = []

    def script(seen: Seen) -> bytes:
        targets.append(seen.target)
        if seen.path == "/issues.json":
            return answer(json.dumps({"issues": [{"id": 5}, {"id": 3}, {"id": 4}]}))
        number = int(seen.path.removeprefix("/issues/").removesuffix(".json"))
        return answer(json.dumps({"issue": {"id": number, "journals": [{"id": number * 10}]}}))

    with serve(script) as tiny:
        client = Client(Connection(tiny.url, "key"))
        notes = NoteLocator(client, lambda: 0.0)
        assert 3 == notes.issue_of(30, "20260719210421")
        assert 3 == notes.issue_of(30, "20260719210421")
        assert notes.issue_of(30, "99999999999999") is None
        client.close()
    assert f"limit={MOST_ISSUES}" in targets[0]
    assert "2026-07-19T21%3A04%3A21Z" in targets[0]
    assert 3 == len(targets)
