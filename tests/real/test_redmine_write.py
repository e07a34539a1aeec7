"""The writer on a real Redmine: issues and files, what it takes and what it drops with success."""

import datetime as dt
import hashlib
from dataclasses import replace

import pytest

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.mail import Attachment
from redmine_mailbridge.model.plan import IssueFields
from redmine_mailbridge.redmine.requests import Upload
from redmine_mailbridge.redmine.size_limits import text_file, truncate
from tests.servers.fixtures import Redmine
from tests.writer import Bridge, bridge_at

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(redmine: Redmine, project: str) -> Bridge:
    return bridge_at(redmine.url, redmine, project)


@pytest.fixture
def poor(redmine: Redmine, project: str) -> Bridge:
    """The same with a key that has no admin rights."""
    return bridge_at(redmine.url, redmine, project, key=redmine.seed["bridge"]["api_key"])


# ---------------------------------------------------------------------------------------------- issues


def test_one_request_an_issue(bridge: Bridge) -> None:
    """An issue is one request, and is read back by its own answer: nothing is missing, nothing differs."""
    seed = bridge.redmine.seed
    fields = IssueFields(
        tracker_id=seed["trackers"]["Support"], priority_id=seed["priorities"]["High"],
        assigned_to_id=bridge.user("anna"), due_date=dt.date(2031, 2, 3), start_date=dt.date(2031, 2, 1),
        custom_fields=((seed["custom_fields"]["Requester"], "Carol <carol@example.org>"),),
    )  # fmt: skip
    bridge.directory.people.me()
    before = bridge.client.requests
    written = bridge.writer.create_issue(bridge.issue("Grüße ☃ 😀", "α\n\n  β\n", fields=fields, marker="<a@b>"))
    assert (1, (), ()) == (bridge.client.requests - before, written.mismatches, written.ignored_attributes)
    found = bridge.redmine.admin.issue(written.issue)
    assert ("Grüße ☃ 😀", "α\r\n\r\n  β\r\n") == (found["subject"], found["description"])


@pytest.mark.databases
def test_author(bridge: Bridge) -> None:
    """An issue that is written as somebody is that person's, and so are its files."""
    upload = bridge.upload(login="carol")
    written = bridge.writer.create_issue(bridge.issue("x", "y", upload, login="carol"))
    found = bridge.redmine.admin.issue(written.issue)
    assert (bridge.user("carol"), bridge.user("carol"), ()) == (
        found["author"]["id"], found["attachments"][0]["author"]["id"], written.mismatches
    )  # fmt: skip


def test_impersonation_that_is_ignored_is_told(poor: Bridge) -> None:
    """Redmine ignores the wish to act as somebody from a key without admin rights: the mismatch says who wrote."""
    written = poor.writer.create_issue(poor.issue(login="carol"))
    assert [f"written by Mail Bridge ({poor.user('bridge')}) instead of carol (user {poor.user('carol')})"] == [
        *written.mismatches
    ]


def test_locked_user(bridge: Bridge) -> None:
    """A locked user writes nothing; what was known of it is forgotten, so that the mail is decided anew."""
    people = bridge.directory.people
    assert "locked" == people.by_address("Dave@Example.com").status  # type: ignore[union-attr]
    before = bridge.client.requests
    with pytest.raises(UnknownLogin):
        bridge.writer.create_issue(bridge.issue(login="dave"))
    people.by_address("dave@example.com")
    assert bridge.client.requests - before > 1
    assert [] == bridge.redmine.admin.issues(bridge.project.identifier)


def test_what_is_dropped_is_told_and_amended(bridge: Bridge) -> None:
    """What the sender may not set is dropped with 201; a mismatch names it, the bridge's own user sets it."""
    closed = bridge.redmine.seed["statuses"]["Closed"]
    request = bridge.issue(login="carol", fields=IssueFields(status_id=closed, custom_fields=((999, "x"),)))
    written = bridge.writer.create_issue(request)
    assert ("status_id", "custom_fields") == written.ignored_attributes
    assert "requested status" in written.mismatches[0]
    assert "custom field 999 was dropped" in written.mismatches[1]
    after = bridge.writer.amend(request, written)
    assert ("custom_fields",) == after.ignored_attributes
    assert "set by the bridge's own user: status_id" == after.mismatches[-1]
    found = bridge.redmine.admin.issue(written.issue)
    assert (closed, bridge.user("carol")) == (found["status"]["id"], found["author"]["id"])


@pytest.mark.parametrize(
    "fields",
    [IssueFields(assigned_to_id=99999), IssueFields(due_date=dt.date(2020, 1, 1), start_date=dt.date(2021, 1, 1))],
)
def test_refused(bridge: Bridge, fields: IssueFields) -> None:
    """What Redmine refuses comes with its own words, and nothing is written."""
    with pytest.raises(RedmineRefused) as refused:
        bridge.writer.create_issue(bridge.issue(fields=fields))
    assert (422, 1) == (refused.value.status, len(refused.value.messages))
    assert [] == bridge.redmine.admin.issues(bridge.project.identifier)


def test_too_long(bridge: Bridge) -> None:
    """A subject and a text beyond the limits are cut, and are whole in the issue all the same."""
    subject, text = "s" * 300, "line\n" * 20_000
    request, cuts = truncate(bridge.issue(subject, text), 65_535)
    files = [cut.file for cut in cuts if cut.file is not None]
    written = bridge.writer.create_issue(request.with_uploads(*(bridge.upload_of(f) for f in files)))
    found = bridge.redmine.admin.issue(written.issue)
    assert (255, 2) == (len(found["subject"]), len(files))
    assert len(found["description"].encode()) <= 65_535
    whole = {file["filename"]: bridge.redmine.admin.attachment(file) for file in found["attachments"]}
    assert {"mail-subject.txt": subject.encode(), "mail-text.txt": text.encode()} == whole


def test_relation(bridge: Bridge) -> None:
    """Two issues are linked once, however often it is asked; what Redmine refuses is told."""
    first, second = (bridge.writer.create_issue(bridge.issue("x", text)).issue for text in "ab")
    said = [bridge.writer.add_relation(second, first) for _ in range(2)]
    assert [f"#{second} is linked with #{first}"] * 2 == said
    (relation,) = bridge.redmine.admin.issue(second)["relations"]
    assert {first, second} == {relation["issue_id"], relation["issue_to_id"]}
    assert "is not linked with #999999" in bridge.writer.add_relation(second, 999_999)


def test_hostile_characters(bridge: Bridge) -> None:
    """NUL, other control characters and lone surrogates neither break the request nor reach Redmine; in a text a sign
    stands in the place of each, so that what they kept apart stays so.
    """
    written = bridge.writer.create_issue(bridge.issue("a\0b\ud800\r\nc", "x\0y\ud800\x1b[1m\r\nz\x0c"))
    found = bridge.redmine.admin.issue(written.issue)
    assert ("ab\ufffd c", "x\ufffdy\ufffd\ufffd[1m\r\nz\ufffd") == (found["subject"], found["description"])


# ---------------------------------------------------------------------------------------------- files


@pytest.mark.databases
def test_files(bridge: Bridge) -> None:
    """Files arrive byte for byte under their names; what Redmine does not take comes back as the reason."""
    data = bytes(range(256)) * 20_000
    pieces = [data[i : i + 1_000_000] for i in range(0, len(data), 1_000_000)]
    whole = Attachment(
        "Größe & #1.bin", "application/x-x", len(data), hashlib.sha256(data).hexdigest(), False, lambda: iter(pieces)
    )
    sent = bridge.writer.upload(whole)
    assert isinstance(sent, Upload)
    found = bridge.redmine.admin.issue(bridge.writer.create_issue(bridge.issue("x", "y", sent)).issue)
    (file,) = found["attachments"]
    assert ("Größe & #1.bin", data) == (file["filename"], bridge.redmine.admin.attachment(file))
    too_large = replace(whole, size=11_000_000, chunks=lambda: (b"0" * 1_000_000 for _ in range(11)))
    assert "10485760" in bridge.left_out(too_large).why
    assert ".exe" in bridge.left_out(text_file("x.exe", "MZ")).why
    assert "an empty file" == bridge.left_out(text_file("e.txt", "")).why


def test_long_file_name(bridge: Bridge) -> None:
    """A file name that is too long for Redmine is cut before its extension."""
    found = bridge.redmine.admin.issue(
        bridge.writer.create_issue(bridge.issue("x", "y", bridge.upload("ä" * 400 + ".txt"))).issue
    )
    assert "ä" * 251 + ".txt" == found["attachments"][0]["filename"]


@pytest.mark.databases
@pytest.mark.parametrize("kind", ["issue", "note"])
def test_token_is_good_once(bridge: Bridge, kind: str) -> None:
    """The same request sent twice is refused the second time, since its token is used, and the first is found."""
    if kind == "issue":
        after = bridge.newest()
        request = bridge.issue("x", "y", bridge.upload())
        made = bridge.writer.create_issue(request).issue
        with pytest.raises(RedmineRefused):
            bridge.writer.create_issue(request)
        assert made == bridge.find(request, after)
        return
    number = bridge.writer.create_issue(bridge.issue()).issue
    note = bridge.note(number, "", bridge.upload("only.txt"))
    bridge.writer.add_note(note)
    with pytest.raises(RedmineRefused):
        bridge.writer.add_note(note)
    assert bridge.redmine.admin.issue(number)["journals"][0]["id"] == bridge.find_note(note, 0)


def test_token_after_a_refusal(bridge: Bridge) -> None:
    """A create that is refused for another reason leaves its tokens good."""
    upload = bridge.upload()
    with pytest.raises(RedmineRefused):
        bridge.writer.create_issue(bridge.issue("x", "y", upload, fields=IssueFields(assigned_to_id=99999)))
    assert () == bridge.writer.create_issue(bridge.issue("x", "y", upload)).mismatches
