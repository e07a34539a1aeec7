"""What is being written survives being written down."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store import lock
from redmine_mailbridge.tasks.receive import settle
from redmine_mailbridge.tasks.receive.settle import stamped

WORDS = st.text(max_size=30)
UPLOADS = st.lists(st.builds(Upload, WORDS, WORDS, WORDS), max_size=3).map(tuple)
ATTRIBUTES = st.fixed_dictionaries({"subject": WORDS, "description": WORDS, "notes": WORDS})
REQUESTS = st.one_of(
    st.builds(lambda a, u, login: IssueRequest(7, a, login, 3, uploads=u), ATTRIBUTES, UPLOADS, st.none()),
    st.builds(lambda a, u, login: NoteRequest(7, 12, a, login, uploads=u), ATTRIBUTES, UPLOADS, st.just("anna")),
)


@given(REQUESTS, WORDS, st.lists(st.integers(1, 9)).map(tuple), st.lists(WORDS).map(tuple))
def test_back_from_the_store(
    request_: IssueRequest | NoteRequest, reason: str, watchers: tuple[int, ...], participants: tuple[str, ...]
) -> None:
    """A job that was kept and read again is the same, whatever its words."""
    job = WriteIntent(request_, reason, watchers, participants, ("status_id",))
    sent = job.marked(IssueMark(12, "2026-01-01T00:00:00Z"), 14).without_4byte_chars().without_4byte_chars().ended()

    assert job == WriteIntent.from_json(job.to_json())
    assert sent == WriteIntent.from_json(stamped(sent.to_json()))
    assert (3, True, True) == (len([*sent.issues, *sent.notes]), sent.number_again(14), not sent.number_again(15))
    assert sent == sent.marked(IssueMark(99), 99)


def test_a_job_of_the_first_version() -> None:
    """A job that was stored before numbers were is read, and knows none."""
    kept = json.loads(WriteIntent(NoteRequest(7, 12, {"notes": "x"}), "why").to_json())
    job = WriteIntent.from_json(
        json.dumps({name: kept[name] for name in kept if name not in {"after", "made", "again", "earlier"}})
    )

    assert (None, (), False) == (job.after, job.earlier, job.refused)


def test_softer() -> None:
    """First the sender's wishes go, then what the settings want and an issue can do without; the marker and what is
    private stay, and then there is nothing more to leave out.
    """
    fields = [{"id": 5, "value": "x"}, {"id": 9, "value": "m@example.com"}]
    values = {"subject": "x", "is_private": True, "due_date": "2026-01-01", "priority_id": 4, "custom_fields": fields}
    request = IssueRequest(7, {**values, "assigned_to_id": 3}, marker=(9, "m@example.com"))
    job = WriteIntent(request, "why", amendable=("assigned_to_id", "is_private", "priority_id"))

    first = job.without_optional_fields()
    assert first is not None
    assert ("due_date", "custom_fields") == first[1]
    assert [fields[1]] == first[0].request.attributes["custom_fields"]
    second = first[0].without_optional_fields()
    assert second is not None
    assert ("assigned_to_id",) == second[1]
    assert ({"subject", "is_private", "priority_id", "custom_fields"}, ("is_private", "priority_id")) == (
        set(second[0].request.attributes),
        second[0].amendable,
    )
    assert second[0].without_optional_fields() is None


def test_narrowed() -> None:
    """Characters of four bytes are replaced, and nothing else."""
    job = WriteIntent(IssueRequest(7, {"subject": "ä 😀", "description": "漢字"}), "why")
    narrowed = job.without_4byte_chars().request.attributes

    assert "漢字" == narrowed["description"]
    assert narrowed["subject"].startswith("ä ")
    assert max(narrowed["subject"]) < "\U00010000"


def test_a_machine_without_a_boot_id_counts_by_the_wall_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was sent after its present time was sent by another clock: its age is not known."""
    monkeypatch.setattr(settle, "BOOT_ID", tmp_path / "nothing")
    settle._boot.cache_clear()
    try:
        assert "" == settle.now()[0]
        assert abs(settle.now()[1] - time.time()) < 60
        age = settle.seconds_since(settle.stamped("{}"))
        assert age is not None
        assert 0.0 <= age < 60
        assert None is settle.seconds_since(json.dumps({"sent": ["", time.time() + 3600]}))
    finally:
        settle._boot.cache_clear()


def test_the_seconds_that_are_left_are_never_below_none() -> None:
    """A request whose time is over is not waited for; it stays with the time at which it was sent."""
    boot, at = settle.now()
    kept: list[object] = []
    assert 0.0 == settle.seconds_left(json.dumps({"sent": [boot, at - 60.0]}), 30.0, kept.append)
    assert 0.0 < settle.seconds_left(json.dumps({"sent": [boot, at - 10.0]}), 30.0, kept.append) <= 20.0
    assert [] == kept


@pytest.mark.fault("I7")
def test_what_another_process_planned_counts_from_when_it_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that works in place of another does not know when that one sent what it had recorded: the time counts
    from the first look, also for processes that take over after it. What it records itself counts at once.
    """
    moment = 100.0
    monkeypatch.setattr(lock, "_took_over_at", float("-inf"))
    monkeypatch.setattr(settle, "now", lambda: ("this start", moment))
    recorded, kept = settle.stamped('{"subject": "x"}'), list[str]()
    moment = 200.0
    assert 0.0 == settle.seconds_left(recorded, 30.0, kept.append)
    lock.take_over(150.0)
    assert (None, 30.0) == (settle.seconds_since(recorded), settle.seconds_left(recorded, 30.0, kept.append))
    assert [{"subject": "x", "sent": ["this start", 200.0, True]}] == [json.loads(each) for each in kept]
    moment = 210.0
    lock.take_over(205.0)
    assert (20.0, 1) == (settle.seconds_left(kept[0], 30.0, kept.append), len(kept))
    assert 0.0 == settle.seconds_since(settle.stamped(kept[0]))


@pytest.mark.fault("A44-14")
def test_machines_that_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each pass runs on another machine than the one before, each counts from when it saw the request itself: it
    is looked for at the second look of one of them, and not put off for ever.
    """
    monkeypatch.setattr(lock, "_took_over_at", float("-inf"))
    request, left = '{"subject": "x", "sent": ["another start", 5.0]}', list[float]()
    for number, boot in enumerate(["one", "two", "three", "one", "two", "three"]):
        monkeypatch.setattr(settle, "now", lambda boot=boot, at=100.0 * number: (boot, at))
        kept = [request]
        left.append(settle.seconds_left(request, 30.0, kept.append))
        request = kept[-1]
    assert [30.0, 30.0, 30.0, 0.0, 0.0, 0.0] == left
    monkeypatch.setattr(settle, "now", lambda: ("two", 600.0))
    request = settle.stamped(request)
    monkeypatch.setattr(settle, "now", lambda: ("one", 600.0))
    assert 30.0 == settle.seconds_left(request, 30.0, kept.append)
