"""Fetched mails are stored in batches: as many as fit in memory, and none is lost with an error that comes later."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.tasks.receive.fetch.fetch_each import batches

MIB = 1 << 20


def raw(number: int, size: int, path: Path | None = None) -> RawMail:
    listed = Listed(Location("x", "INBOX", "1", str(number)), size)
    return RawMail(listed, path=path) if path else RawMail(listed, bytes(size))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([MIB] * 9, [4, 4, 1]),
        ([MIB - 1] * 9, [5, 4]),
        ([5 * MIB, 1, 1], [1, 2]),
        ([4 * MIB - 1, 1, 1], [2, 1]),
        ([1] * 120, [50, 50, 20]),
        ([0] * 3, [3]),
        ([], []),
    ],
)
def test_a_batch_holds_four_mebibytes_or_fifty_mails(sizes: list[int], expected: list[int]) -> None:
    """The mail that reaches the limit is the last one of its batch."""
    mails = [raw(number, size) for number, size in enumerate(sizes)]
    found = list(batches(iter(mails)))
    assert expected == [len(batch) for batch in found]
    assert mails == [one for batch in found for one in batch]


def test_a_spooled_mail_ends_its_batch(tmp_path: Path) -> None:
    """It is stored before the next one is fetched, so that one file at a time lies in the spool."""
    mails = [raw(1, 1), raw(2, 9 * MIB, tmp_path / "2.eml"), raw(3, 1), raw(4, 1)]
    assert [["1", "2"], ["3", "4"]] == [[one.listed.location.uid for one in batch] for batch in batches(iter(mails))]


@pytest.mark.parametrize("count", [0, 1, 50, 51])
def test_what_came_before_an_error_is_stored(count: int) -> None:
    """The error is raised after it, and no batch is empty."""

    def broken() -> Iterator[RawMail]:
        yield from (raw(number, 1) for number in range(count))
        raise MailboxUnreachable("connection broken")

    found: list[int] = []
    with pytest.raises(MailboxUnreachable, match="connection broken"):
        found.extend(len(batch) for batch in batches(broken()))
    assert (count, True) == (sum(found), 0 not in found)
