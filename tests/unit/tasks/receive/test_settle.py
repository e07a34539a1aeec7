"""What is being written survives being written down."""

import json

from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.redmine.newest import Mark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.write_intent import Job
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
    job = Job(request_, reason, watchers, participants, ("status_id",))
    sent = job.marked(Mark(12, "2026-01-01T00:00:00Z"), 14).narrowed().narrowed().ended()

    assert job == Job.from_json(job.to_json())
    assert sent == Job.from_json(stamped(sent.to_json()))
    assert (3, True, True) == (len([*sent.issues, *sent.notes]), sent.number_again(14), not sent.number_again(15))
    assert sent == sent.marked(Mark(99), 99)


def test_a_job_of_the_first_version() -> None:
    """A job that was stored before numbers were is read, and knows none."""
    kept = json.loads(Job(NoteRequest(7, 12, {"notes": "x"}), "why").to_json())
    job = Job.from_json(
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
    job = Job(request, "why", amendable=("assigned_to_id", "is_private", "priority_id"))

    first = job.softer()
    assert first is not None
    assert ("due_date", "custom_fields") == first[1]
    assert [fields[1]] == first[0].request.attributes["custom_fields"]
    second = first[0].softer()
    assert second is not None
    assert ("assigned_to_id",) == second[1]
    assert ({"subject", "is_private", "priority_id", "custom_fields"}, ("is_private", "priority_id")) == (
        set(second[0].request.attributes),
        second[0].amendable,
    )
    assert second[0].softer() is None


def test_narrowed() -> None:
    """Characters of four bytes are replaced, and nothing else."""
    job = Job(IssueRequest(7, {"subject": "ä 😀", "description": "漢字"}), "why")
    narrowed = job.narrowed().request.attributes

    assert "漢字" == narrowed["description"]
    assert narrowed["subject"].startswith("ä ")
    assert max(narrowed["subject"]) < "\U00010000"
