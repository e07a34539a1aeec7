"""Which issue's agents are told that an answer to a closed issue could not follow where that continues."""

import pytest

from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.write_intent import CreatedRecord, WriteIntent
from redmine_mailbridge.tasks.receive.unreached import notices


@pytest.mark.parametrize(
    ("intent", "made", "expected"),
    [
        (
            WriteIntent(NoteRequest(3, 1, {"notes": "secret"}), "note", unreached=9),
            CreatedRecord(3, 40, created=False),
            "A mail answers #3, which is closed and continues in this issue. It is a note there, ",
        ),
        (
            WriteIntent(IssueRequest(1, {"description": "secret"}), "made", related=3, unreached=9),
            CreatedRecord(12, None, created=True),
            "A mail answers #3, which is closed and continues in this issue. It became #12, ",
        ),
        (
            WriteIntent(IssueRequest(1, {"description": "secret"}), "made", unreached=9),
            CreatedRecord(12, None, created=True),
            "A mail answers #12, which is closed and continues in this issue. It became #12, ",
        ),
    ],
)
def test_agents_are_told_where_the_answer_is_and_nothing_of_it(
    intent: WriteIntent, made: CreatedRecord, expected: str
) -> None:
    (notice,) = notices(intent, 5, made).items()
    assert (9, "unreached/5") == (notice[0], notice[1].key)
    assert expected + "since its sender may not write to this issue." == notice[1].text


def test_an_answer_that_followed_is_told_to_nobody() -> None:
    intent = WriteIntent(NoteRequest(3, 1, {"notes": "x"}), "note")
    assert {} == notices(intent, 5, CreatedRecord(3, 40, created=False))
