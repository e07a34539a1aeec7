"""Mails in a real mailbox become issues and notes in a real Redmine, through the whole assembled product."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mailboxes.imap.parse import encode_folder
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.service.service import receive_once
from tests.product import ANNA, BOB, CAROL, DAVE, STRANGER, Product, box_values, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


def one(outcomes: list[ProcessingResult]) -> ProcessingResult:
    """Given outcomes, return the only one."""
    assert 1 == len(outcomes), outcomes
    return outcomes[0]


def issue_of(bridge: Product, redmine: Redmine, mailbox: Mailbox, *mails: bytes) -> dict[str, Any]:
    """Given mails, receive them. Return the one issue that they led to, with journals."""
    mailbox.append(*mails)
    (number,) = {outcome.issue for outcome in bridge.receive()}
    assert number is not None
    return redmine.admin.issue(number)


# ---------------------------------------------------------------------- issues


def test_new_mail(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A user's mail becomes an issue by that user, and lies in the success folder, unread."""
    issue = issue_of(bridge, redmine, mailbox, mail("Printer on fire", "It burns.\n", sender=ANNA))
    (_, flags, _) = mailbox.contents("Processed")[0]

    assert ("Printer on fire", "It burns.") == (issue["subject"], issue["description"])
    assert "Anna Agent" == issue["author"]["name"]
    assert project == redmine.admin.get(f"/projects/{issue['project']['id']}.json")["project"]["identifier"]
    assert {"INBOX": 0, "Failed": 0, "Processed": 1} == mailbox.count()
    assert "\\Seen" not in flags


def test_one_request(bridge: Product, mailbox: Mailbox, redmine_proxy: FaultProxy) -> None:
    """Plain new mail from a known sender costs Redmine exactly one request."""
    bridge.change({"redmine": {"url": redmine_proxy.url}, "receive": {"workers": 1}})  # SQLite fails under two writers
    with bridge.application() as made:
        mailbox.append(mail("The first", sender=ANNA))
        receive_once(made.receivers)
        before = len(redmine_proxy.requests)
        mailbox.append(mail("The second", sender=ANNA), mail("The third", sender=ANNA))
        receive_once(made.receivers)

    requests = [line.rpartition("?")[0] or line for line in redmine_proxy.requests[before:]]
    assert ["POST /issues.json", "POST /issues.json"] == requests


def test_settings_of_the_issue(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Tracker, status, priority, category, assignee, version and custom fields are as the settings say."""
    admin = redmine.admin
    admin.call("POST", f"/projects/{project}/issue_categories.json", {"issue_category": {"name": "Hardware"}})
    admin.call("POST", f"/projects/{project}/versions.json", {"version": {"name": "1.0"}})
    bridge.issue(
        tracker="Support", status="In Progress", priority="Urgent", category="hardware", assignee="bob@example.com",
        version="1.0", requester_field="Requester", custom_fields={"Channel": "mail"},
    )  # fmt: skip
    issue = issue_of(bridge, redmine, mailbox, mail("All of it", sender=ANNA))
    names = ("tracker", "status", "priority", "category", "assigned_to", "fixed_version")
    fields = {field["name"]: field["value"] for field in issue["custom_fields"]}

    assert ["Support", "In Progress", "Urgent", "Hardware", "Bob Builder", "1.0"] == [issue[n]["name"] for n in names]
    assert ("anna@example.com", "mail") == (fields["Requester"], fields["Channel"])


def test_attachments(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Files arrive byte for byte under their names; what Redmine refuses is named in the text."""
    files = {"Größe.bin": os.urandom(150_000), "crlf.txt": b"one\r\ntwo\nthree\0four", "setup.exe": b"MZ" * 100}
    issue = issue_of(bridge, redmine, mailbox, mail("Files", sender=ANNA, files=files))
    there = {file["filename"]: redmine.admin.attachment(file) for file in issue["attachments"]}

    assert {name: content for name, content in files.items() if name != "setup.exe"} == there
    assert "setup.exe" in issue["description"]


def test_too_large(bridge: Product, redmine: Redmine, mailbox: Mailbox, imap_proxy: FaultProxy) -> None:
    """A mail above the limit becomes an issue that says so, and is not loaded whole."""
    whole = mail("Very large", "The words.\n", sender=ANNA, files={"large.bin": os.urandom(3_000_000)})
    bridge.change({"receive": {"max_mail_size": "1MB"}})
    bridge.support(port=imap_proxy.port)
    issue = issue_of(bridge, redmine, mailbox, whole)

    assert "The words." in issue["description"]
    assert "Only the beginning of this mail was read" in issue["description"]
    assert "only the beginning of the mail was read, so this file was not loaded whole" in issue["description"]
    assert "large.bin" in issue["description"]
    assert [] == issue["attachments"]
    assert 600_000 > imap_proxy.bytes_down
    assert [whole.replace(b"\n", b"\r\n")] == mailbox.mails("Processed")


# ---------------------------------------------------------------------- notes


def started(bridge: Product, redmine: Redmine, mailbox: Mailbox, sender: str) -> tuple[dict[str, Any], str]:
    """Given a sender, have a mail of theirs made into an issue. Return the issue and the mail's Message-ID."""
    first = mail("A question", sender=sender)
    return issue_of(bridge, redmine, mailbox, first), message_id_of(first)


@pytest.mark.parametrize("sender", [ANNA, CAROL, STRANGER])
def test_reply_to_the_customers_own_mail(bridge: Product, redmine: Redmine, mailbox: Mailbox, sender: str) -> None:
    """A reply that names only the Message-ID of the mail that made the issue becomes a note."""
    issue, message_id = started(bridge, redmine, mailbox, sender)
    note = issue_of(bridge, redmine, mailbox, mail("Re: hello", "More.\n", sender=sender, In_Reply_To=message_id))

    assert issue["id"] == note["id"]
    assert "More." in redmine.admin.notes(issue["id"])[0]


def test_reply_to_redmines_mail(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A reply to Redmine's own notification becomes a note by whoever takes part, with their name."""
    issue, _ = started(bridge, redmine, mailbox, ANNA)
    stamp = "".join(c for c in issue["created_on"] if c.isdigit())
    reference = f"<redmine.issue-{issue['id']}.{stamp}.5@redmine.example.com>"
    reply = mail("Re: [x]", "Again.\n", sender=BOB, References=reference)
    note = issue_of(bridge, redmine, mailbox, reply)

    assert issue["id"] == note["id"]
    assert [("Again.", "Bob Builder")] == [(j["notes"], j["user"]["name"]) for j in note["journals"]]


def test_reply_to_our_own_mail(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A reply to a mail that the bridge itself has sent becomes a note, also from a colleague of the customer."""
    issue, _ = started(bridge, redmine, mailbox, STRANGER)
    with bridge.application() as made:
        signer = made.planner.contexts["support"].identity.signer
    assert signer is not None
    ours = signer.message_id("received", issue["id"], "1", "mail.example.com")
    reply = mail("Re: hello", "From a colleague.\n", sender="y@elsewhere.example", In_Reply_To=f"<{ours}>")

    assert issue["id"] == issue_of(bridge, redmine, mailbox, reply)["id"]


@pytest.mark.parametrize(("sender", "joins"), [(ANNA, True), (CAROL, True), (STRANGER, False)])
def test_subject_tag(bridge: Product, redmine: Redmine, mailbox: Mailbox, sender: str, joins: bool) -> None:
    """The tag in the subject, which anyone can write, opens an issue to those who may write there, not to strangers."""
    issue, _ = started(bridge, redmine, mailbox, ANNA)
    bridge.issue(check_permissions=False)
    mailbox.append(mail(f"Re: [Support - Bug #{issue['id']}] A question", "Mine.\n", sender=sender))
    outcome = one(bridge.receive())

    assert joins is (issue["id"] == outcome.issue), outcome
    assert joins is bool(redmine.admin.notes(issue["id"]))


def test_a_conversation_at_once(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A mail and its replies that arrive together become one issue with notes in their order."""
    first = mail("Start", sender=ANNA)
    replies = [mail("Re: Start", f"{n}\n", sender=ANNA, In_Reply_To=message_id_of(first)) for n in range(6)]
    issue = issue_of(bridge, redmine, mailbox, first, *replies)

    assert [str(n) for n in range(6)] == redmine.admin.notes(issue["id"])


# ---------------------------------------------------------------------- who writes


def test_nobody_vouches(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Where nothing proves the From line, the bridge's own user writes, and the sender is named as claimed."""
    bridge.issue(trust="authenticated")
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA))

    assert "Redmine Admin" == issue["author"]["name"]
    assert "anna@example.com" in issue["description"]


def test_key_without_admin_rights(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """With a key that has no admin rights issues and notes are written by its user, the sender named in the text."""
    bridge = product(tmp_path, redmine, mailbox, project, login="bridge")
    issue, message_id = started(bridge, redmine, mailbox, CAROL)
    reply = mail("Re: A question", "More.\n", sender=CAROL, In_Reply_To=message_id)
    note = issue_of(bridge, redmine, mailbox, reply)

    assert issue["id"] == note["id"]
    assert {"Mail Bridge"} == {issue["author"]["name"], note["journals"][0]["user"]["name"]}
    assert "carol@example.org" in issue["description"]
    assert "carol@example.org" in note["journals"][0]["notes"]


@pytest.mark.parametrize(
    ("policy", "state", "folder", "made"),
    [
        ("accept", State.DONE, "Processed", True),
        ("create", State.DONE, "Processed", True),
        ("ignore", State.DONE, "Processed", False),
        ("refuse", State.REJECTED, "Failed", False),
        ("hold", State.HELD, "INBOX", False),
    ],
)
def test_unknown_sender(  # noqa: PLR0917 - one column of the table each
    bridge: Product,
    redmine: Redmine,
    mailbox: Mailbox,
    project: str,
    policy: str,
    state: State,
    folder: str,
    made: bool,
) -> None:
    """A sender who is no Redmine user is accepted, made, ignored, refused or held, as the settings say."""
    address = f"new-{project}@elsewhere.example"
    bridge.issue(unknown_sender=policy)
    mailbox.append(mail(sender=f"New Person <{address}>"))
    outcome = one(bridge.receive())
    users = redmine.admin.get("/users.json", name=address)["users"]

    assert (state, made) == (outcome.state, outcome.issue is not None)
    assert made is (1 == len(redmine.admin.issues(project)))
    assert 1 == mailbox.count()[folder]
    assert (policy == "create") is (1 == len(users))
    if policy == "accept":
        assert address in redmine.admin.issue(outcome.issue or 0)["description"]


def test_locked_user(bridge: Product, mailbox: Mailbox) -> None:
    """A locked user's mail is refused, and the reason names the user."""
    mailbox.append(mail(sender=DAVE))
    outcome = one(bridge.receive())

    assert (State.REJECTED, "the Redmine user dave is locked") == (outcome.state, outcome.line)
    assert 1 == mailbox.count()["Failed"]


# ---------------------------------------------------------------------- mailboxes


def test_inactive_mailbox(bridge: Product, mailbox: Mailbox, imap_proxy: FaultProxy, project: str) -> None:
    """A mailbox that is not active is not so much as connected to."""
    inactive = box_values(mailbox, project, port=imap_proxy.port) | {"active": False}
    bridge.change({"mailboxes": {"old": inactive}})
    bridge.support(folders=["Elsewhere"])
    mailbox.create("Elsewhere")
    mailbox.append(mail())
    bridge.receive()

    assert 0 == imap_proxy.connections
    assert 1 == mailbox.count()["INBOX"]


def test_several_folders(bridge: Product, mailbox: Mailbox) -> None:
    """Every folder of the settings is read, and no other."""
    mailbox.create("Tickets", "Tickets/New", "Private")
    bridge.support(folders=["INBOX", "Tickets/New"])
    for folder in ("INBOX", "Tickets/New", "Private", "Tickets"):
        mailbox.append(mail(f"In {folder}", sender=ANNA), folder=folder)
    subjects = {outcome.row.subject for outcome in bridge.receive()}

    assert {"In INBOX", "In Tickets/New"} == subjects
    assert {"INBOX": 0, "Private": 1, "Tickets": 1, "Tickets/New": 0, "Processed": 2, "Failed": 0} == mailbox.count()


def test_non_ascii_folders(bridge: Product, mailbox: Mailbox) -> None:
    """Folder names in any script are read, made and filed to."""
    read, done, failed = "Öffentliche Fragen & mehr", "Erledigt/Größe", "失敗"
    names = {name: encode_folder(name).strip(b'"').decode() for name in (read, done, failed)}
    mailbox.create(names[read])
    bridge.support(folders=[read], success_folder=done, failure_folder=failed)
    mailbox.append(mail("Good", sender=ANNA), mail("Bad", sender=DAVE), folder=names[read])
    bridge.receive()
    count = mailbox.count()

    assert (0, 1, 1) == (count[names[read]], count[names[done]], count[names[failed]])


def test_values_of_the_example(bridge: Product, mailbox: Mailbox) -> None:
    """A mailbox with TLS whose failures go to `inbox/errors`, read every 15 minutes, does what its settings say."""
    bridge.support(
        host="localhost", port=mailbox.server["imaps_port"], security="tls", ca_file=mailbox.server["ca_file"],
        success_folder="inbox/done", failure_folder="inbox/errors",
    )  # fmt: skip
    bridge.change({"tasks": {"receive": {"every": "15m"}}})
    mailbox.append(mail("Good", sender=ANNA), mail("Bad", sender=DAVE))
    bridge.receive()
    count = mailbox.count()

    assert (0, 1, 1) == (count["INBOX"], count["INBOX/done"], count["INBOX/errors"])
    assert 15 * 60 == bridge.settings().tasks.receive.every.total_seconds()


def test_nothing_else_is_touched(bridge: Product, mailbox: Mailbox) -> None:
    """No mail is marked as read, and a mail that somebody has marked as deleted is still there afterwards."""
    mailbox.append(mail("Theirs", sender=ANNA))
    with mailbox.imap() as imap:
        imap.select("INBOX")
        imap.store("1", "+FLAGS", "(\\Deleted \\Flagged)")
    bridge.support(start_from="now")
    bridge.receive()
    mailbox.append(mail("Ours", sender=ANNA), mail("Refused", sender=DAVE))
    bridge.receive()
    theirs = mailbox.contents("INBOX")

    assert 1 == len(theirs)
    assert {"\\Deleted", "\\Flagged"} <= theirs[0][1]
    for folder in ("INBOX", "Processed", "Failed"):
        assert all("\\Seen" not in flags for _, flags, _ in mailbox.contents(folder))


def test_two_mailboxes_one_mail(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, dovecot: Any, project: str
) -> None:
    """The same mail in two mailboxes is one issue, and lies in the success folder of both."""
    other = Mailbox(dovecot, f"second-{mailbox.address}")
    bridge.change({"mailboxes": {"sales": box_values(other, project)}})
    both = mail("For both", sender=ANNA, to=f"{mailbox.address}, {other.address}")
    mailbox.deliver(both)
    other.deliver(both)
    bridge.receive()
    if other.count()["INBOX"] + mailbox.count()["INBOX"]:  # the copy waits for the first one to be done
        for row in bridge.rows():
            bridge.command("messages", "retry", str(row.id))
        bridge.receive()

    assert 1 == len(redmine.admin.issues(project))
    assert (1, 1) == (mailbox.count()["Processed"], other.count()["Processed"])


def test_two_mailboxes_each(bridge: Product, redmine: Redmine, mailbox: Mailbox, dovecot: Any, project: str) -> None:
    """With several_mailboxes = "each" the same mail in two mailboxes is an issue of each."""
    other = Mailbox(dovecot, f"second-{mailbox.address}")
    bridge.change({"mailboxes": {"sales": box_values(other, project)}})
    for name in ("support", "sales"):
        bridge.change({"mailboxes": {name: {"issue": {"several_mailboxes": "each"}}}})
    both = mail("For each", sender=ANNA, to=f"{mailbox.address}, {other.address}")
    mailbox.deliver(both)
    other.deliver(both)
    bridge.receive()

    assert 2 == len(redmine.admin.issues(project))
    assert (1, 1) == (mailbox.count()["Processed"], other.count()["Processed"])


def test_alike_but_not_the_same(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Two mails with the same words and different Message-IDs are two issues."""
    mailbox.append(mail("Alike", sender=ANNA), mail("Alike", sender=ANNA))
    bridge.receive()

    assert 2 == len(redmine.admin.issues(project))


def test_dragged_back(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A mail that is moved back from the failure folder to the inbox is tried again."""
    bridge.issue(unknown_sender="refuse")
    mailbox.append(mail())
    bridge.receive()
    assert 1 == mailbox.count()["Failed"]

    bridge.issue(unknown_sender="accept")
    with mailbox.imap() as imap:
        imap.select("Failed")
        imap.uid("MOVE", "1", "INBOX")
    outcome = one(bridge.receive())

    assert State.DONE == outcome.state
    assert 1 == len(redmine.admin.issues(project))
    assert {"INBOX": 0, "Failed": 0, "Processed": 1} == mailbox.count()


def test_every_mail_can_be_asked_about(bridge: Product, mailbox: Mailbox) -> None:
    """Whatever became of a mail, its record keeps human lines, the last of which says where it lies."""
    mailbox.append(mail("Good", sender=ANNA), mail("Bad", sender=DAVE))
    bridge.receive()
    with bridge.application() as made:
        steps = {row.subject: [step.line for step in made.message_queries.steps(row.id)] for row in bridge.rows()}

    assert ["filed: Processed", "filed: Failed"] == [steps["Good"][-1], steps["Bad"][-1]]
    assert any(line.startswith("issue #") for line in steps["Good"])
    assert "refuse: the Redmine user dave is locked" in steps["Bad"]


def test_raw_mail_is_kept(bridge: Product, mailbox: Mailbox) -> None:
    """The bytes of a mail are kept as the server gave them, under their own digest."""
    raw = mail("Kept", sender=ANNA, files={"a.bin": os.urandom(1000)}).replace(b"\n", b"\r\n")
    mailbox.append(raw)
    bridge.receive()
    (row,) = bridge.rows()
    with bridge.application() as made:
        kept = bytes(made.store.raw.read(row.raw or ""))

    assert raw == kept
    assert hashlib.sha256(raw).hexdigest() == row.raw
