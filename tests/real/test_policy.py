"""Every setting of [mailboxes.NAME.issue], of rules and of reading, at work: real mails into a real Redmine."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from tests.product import ANNA, BOB, CAROL, STRANGER, Product, box_values, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real
TODAY = dt.datetime.now(dt.UTC).date()
DAY = dt.timedelta(days=1)
AUTHORS = {"Anna Agent", "Redmine Admin", "Carol Customer"}
"""Newer versions of Redmine let who writes an issue, or changes it, watch it."""


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


def outcome_of(bridge: Product, mailbox: Mailbox, raw: bytes) -> ProcessingResult:
    """Given a mail, receive it. Return what became of it."""
    mailbox.append(raw)
    (outcome,) = bridge.receive()
    return outcome


def issue_of(bridge: Product, redmine: Redmine, mailbox: Mailbox, raw: bytes) -> dict[str, Any]:
    """Given a mail, receive it. Return the issue that it led to."""
    outcome = outcome_of(bridge, mailbox, raw)
    assert State.DONE == outcome.state, outcome.line
    assert outcome.issue is not None, outcome.line
    return redmine.admin.issue(outcome.issue)


def steps_of(bridge: Product) -> str:
    """What the newest mail's record says."""
    with bridge.application() as made:
        return " / ".join(step.line for step in made.message_queries.steps(bridge.rows()[-1].id))


def fields_of(issue: dict[str, Any]) -> dict[str, Any]:
    """An issue's custom fields that hold something, by name."""
    return {one["name"]: one["value"] for one in issue["custom_fields"] if one.get("value")}


def related(issue: dict[str, Any]) -> set[int]:
    """The numbers of the issues that an issue is linked with."""
    ends = {end for one in issue.get("relations", ()) for end in (one["issue_id"], one["issue_to_id"])}
    return ends - {issue["id"]}


def plain_issue(redmine: Redmine, project: str, **values: Any) -> int:
    """Given a project, make an issue there as an administrator. Return its number."""
    wanted = {"project_id": project, "subject": "By hand", "tracker_id": 1, **values}
    return int(redmine.admin.call("POST", "/issues.json", {"issue": wanted})["issue"]["id"])


# ---------------------------------------------------------------------- fields


def test_parent_privacy_and_days(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A mail's issue stands under a parent, is private, and starts and is due so many days after the mail."""
    parent = plain_issue(redmine, project)
    bridge.issue(parent=parent, private=True, start_in="24h", due_in="3d")
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA))
    found = (issue["parent"]["id"], issue["is_private"], issue["start_date"], issue["due_date"])
    assert (parent, True, str(TODAY + DAY), str(TODAY + 3 * DAY)) == found


def test_custom_fields_by_template(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Custom fields hold words of the mail where the template says so; a value that a list has not is left out."""
    bridge.issue(custom_fields={"Requester": "{sender.name} <{sender.address}>: {header.X-Order}", "Channel": "EMAIL"})
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA, X_Order="4711"))
    assert {"Requester": "Anna Agent <anna@example.com>: 4711"} == fields_of(issue)
    assert 'custom field "Channel" does not accept the value "EMAIL"' in steps_of(bridge)


@pytest.mark.parametrize(
    ("header", "priority"), [({"X_Priority": "1"}, "Urgent"), ({"Importance": "low"}, "Low"), ({}, "High")]
)
def test_importance(bridge: Product, redmine: Redmine, mailbox: Mailbox, header: dict[str, str], priority: str) -> None:
    """X-Priority and Importance choose the priority where the settings say so; else it is the mailbox's."""
    bridge.issue(priority="High", priority_by_importance={"high": "Urgent", "low": "Low"})
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA, **header))
    assert priority == issue["priority"]["name"]


def test_round_robin(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """The member of the group with the fewest open issues gets the issue, so that both get one of two."""
    bridge.issue(assignee="round-robin: Support team")
    takers = []
    for _ in range(2):
        open_issues = {
            redmine.seed["users"][login]["id"]: len(
                redmine.admin.issues(assigned_to_id=redmine.seed["users"][login]["id"], status_id="open")
            )
            for login in ("anna", "bob")
        }
        takers.append(issue_of(bridge, redmine, mailbox, mail(sender=CAROL))["assigned_to"]["id"])
        assert min(open_issues.values()) == open_issues[takers[-1]]


def test_group_as_assignee_or_a_word_why_not(bridge: Product, mailbox: Mailbox) -> None:
    """A name that nobody in the project bears assigns the issue to nobody, and the record says so."""
    bridge.issue(assignee="Nobody at all")
    assert State.DONE == outcome_of(bridge, mailbox, mail(sender=ANNA)).state
    assert 'assignee "Nobody at all" does not exist here' in steps_of(bridge)


def test_watchers_from_to_and_cc(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Redmine's users in To and Cc watch the issue; strangers and the sender do not; nobody does when it is off."""
    seen = mail(sender=ANNA, to="support@example.com, bob@example.com", Cc=f"{CAROL}, {STRANGER}, {ANNA}")
    names = {one["name"] for one in issue_of(bridge, redmine, mailbox, seen)["watchers"]}
    assert {"Bob Builder", "Carol Customer"} == names - {"Anna Agent"}
    bridge.issue(watchers_from_mail=False)
    again = mail(sender=ANNA, Cc=CAROL)
    assert set() == {one["name"] for one in issue_of(bridge, redmine, mailbox, again)["watchers"]} - AUTHORS


def test_keywords(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A user's `Key: value` lines set every field that Redmine's own handler knows, and leave the text."""
    parent = plain_issue(redmine, project)
    redmine.admin.call("POST", f"/projects/{project}/issue_categories.json", {"issue_category": {"name": "Toner"}})
    redmine.admin.call("POST", f"/projects/{project}/versions.json", {"version": {"name": "9.1"}})
    lines = {
        "Tracker": "feature", "Priority": "urgent", "Status": "in progress", "Category": "TONER", "Private": "yes",
        "Assigned to": "bob", "Target version": "9.1", "Start date": "2026-02-03", "Due date": "2026-02-05",
        "Estimated hours": "2.5", "% Done": "30", "Parent issue": str(parent), "Channel": "Phone",
    }  # fmt: skip
    bridge.issue(allow_override="all")
    text = "Please.\n\n" + "".join(f"{name}: {value}\n" for name, value in lines.items())
    issue = issue_of(bridge, redmine, mailbox, mail("All", text, sender=ANNA))
    named = [issue[key]["name"] for key in ("tracker", "priority", "status", "category", "fixed_version")]
    assert ["Feature", "Urgent", "In Progress", "Toner", "9.1"] == named
    assert ("Bob Builder", parent, True) == (issue["assigned_to"]["name"], issue["parent"]["id"], issue["is_private"])
    assert ("2026-02-03", "2026-02-05", 2.5, 30) == tuple(
        issue[key] for key in ("start_date", "due_date", "estimated_hours", "done_ratio")
    )
    assert {"Channel": "phone"} == fields_of(issue)
    assert "Please." == issue["description"].strip()


def test_keywords_of_strangers(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A stranger's keyword lines are text, unless keywords_from lets them count."""
    bridge.issue(allow_override=["priority"])
    text = "Help.\n\nPriority: Urgent\n"
    issue = issue_of(bridge, redmine, mailbox, mail("One", text))
    assert ("Normal", True) == (issue["priority"]["name"], "Priority: Urgent" in issue["description"])
    bridge.issue(keywords_from="anyone")
    assert "Urgent" == issue_of(bridge, redmine, mailbox, mail("Two", text))["priority"]["name"]


def test_keywords_in_other_languages(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Keyword lines count in the languages of the settings; without, in English and Redmine's own."""
    bridge.issue(allow_override=["priority"])
    text = "Aidez-moi.\n\nPriorité: Urgent\n"
    assert "Normal" == issue_of(bridge, redmine, mailbox, mail("One", text, sender=BOB))["priority"]["name"]
    bridge.change({"redmine": {"keyword_languages": ["de", "fr"]}})
    assert "Urgent" == issue_of(bridge, redmine, mailbox, mail("Two", text, sender=BOB))["priority"]["name"]


# ---------------------------------------------------------------------- where


def test_subaddress(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """`support+sales@…` puts the issue into the project sales; an unknown one leaves it where the mailbox says."""
    bridge.issue(project_from_subaddress=True)
    local, _, domain = mailbox.address.partition("@")
    issue = issue_of(bridge, redmine, mailbox, mail(sender=ANNA, to=f"{local}+sales@{domain}"))
    assert "Sales" == issue["project"]["name"]
    other = issue_of(bridge, redmine, mailbox, mail(sender=ANNA, to=f"{local}+nowhere@{domain}"))
    assert bridge.values["mailboxes"]["support"]["issue"]["project"] == other["project"]["name"]


RULES: list[dict[str, Any]] = [
    {"name": "orders", "subject": r"/order (?P<number>\d+)/", "has_attachment": True, "larger_than": "1kB",
     "tracker": "Support", "priority": "High", "custom_fields": {"Requester": "order {match.number}"}},
    {"name": "vip", "sender": "example.org", "header": {"X-Class": "gold"}, "priority": "Urgent", "private": True,
     "watchers": ["bridge"], "assignee": "anna", "due_in": "2d"},
    {"name": "spam", "text": "cheap watches", "action": "ignore"},
]  # fmt: skip
ORDER = {"subject": "Order 815 please", "sender": CAROL, "files": {"list.bin": b"x" * 2000}, "X_Class": "gold"}


@pytest.mark.parametrize(("mode", "priority", "private"), [("first", "High", False), ("all", "High", True)])
def test_rules(  # noqa: PLR0917 - a column of the table each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, mode: str, priority: str, private: bool
) -> None:
    """The first rule that matches holds, or all in their order, the earlier outweighing; their groups fill fields."""
    bridge.issue(rules=mode)
    bridge.support(rules=RULES)
    issue = issue_of(bridge, redmine, mailbox, mail(**ORDER))
    assert (priority, private, "Support") == (issue["priority"]["name"], issue["is_private"], issue["tracker"]["name"])
    assert {"Requester": "order 815"} == fields_of(issue)
    watching = {one["name"] for one in issue["watchers"]} - AUTHORS
    extra = (issue.get("assigned_to", {}).get("name"), watching, issue["due_date"])
    assert (("Anna Agent", {"Mail Bridge"}, str(TODAY + 2 * DAY)) if private else (None, set(), None)) == extra


@pytest.mark.parametrize(
    ("action", "state"), [("ignore", State.DONE), ("refuse", State.REJECTED), ("hold", State.HELD)]
)
def test_rules_that_make_no_issue(bridge: Product, mailbox: Mailbox, action: str, state: State) -> None:
    """A rule can end a mail, and the outcome names it."""
    bridge.support(rules=[RULES[2] | {"action": action}])
    outcome = outcome_of(bridge, mailbox, mail(text="Cheap Watches!\n", sender=ANNA))
    assert (state, None, True) == (outcome.state, outcome.issue, 'rule "spam"' in outcome.line)


def test_rule_by_recipient(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A rule by recipient sees the address that the mail server delivered to, and names another project."""
    bridge.support(aliases=["offers@example.com"])
    bridge.support(rules=[{"name": "offers", "recipient": "offers@example.com", "project": "sales"}])
    raw = mail(sender=ANNA, to="undisclosed@example.com", Delivered_To="offers@example.com")
    assert "Sales" == issue_of(bridge, redmine, mailbox, raw)["project"]["name"]


def test_first_of_several_mailboxes(bridge: Product, redmine: Redmine, mailbox: Mailbox, dovecot: Any) -> None:
    """A mail to two mailboxes goes to the project of the one that is named first, whichever is read."""
    other = Mailbox(dovecot, f"second-{mailbox.address}")
    bridge.change({"mailboxes": {"sales": box_values(other, "sales")}})
    raw = mail(sender=ANNA, to=f"{other.address}, {mailbox.address}")
    assert "Sales" == issue_of(bridge, redmine, mailbox, raw)["project"]["name"]


# ---------------------------------------------------------------------- conversations


def closed_issue(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> tuple[int, str]:
    """Have a mail of Anna's made into an issue and close it. Return its number and the mail's Message-ID."""
    first = mail("It is broken", sender=ANNA)
    number = issue_of(bridge, redmine, mailbox, first)["id"]
    closed = redmine.seed["statuses"]["Closed"]
    redmine.admin.call("PUT", f"/issues/{number}.json", {"issue": {"status_id": closed}})
    return int(number), message_id_of(first)


@pytest.mark.parametrize(
    ("settings", "same", "status"),
    [
        ({"closed_reply": "note"}, True, "Closed"),
        ({"closed_reply": "reopen"}, True, "New"),
        ({"closed_reply": "reopen", "reopen_status": "In Progress", "reopen_within": "14d"}, True, "In Progress"),
        ({"closed_reply": "reopen", "reopen_within": "0s"}, False, "Closed"),
        ({"closed_reply": "new"}, False, "Closed"),
    ],
)
def test_reply_to_a_closed_issue(  # noqa: PLR0917 - a column of the table each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, settings: dict[str, str], same: bool, status: str
) -> None:
    """A reply to a closed issue is a note, reopens it within the time, or makes a new issue linked with it."""
    number, message_id = closed_issue(bridge, redmine, mailbox)
    bridge.issue(**settings)
    issue = issue_of(
        bridge, redmine, mailbox, mail("Re: It is broken", "Still.\n", sender=ANNA, In_Reply_To=message_id)
    )
    assert (same, status) == (number == issue["id"], redmine.admin.issue(number)["status"]["name"])
    assert (set() if same else {number}) == related(issue)


@pytest.mark.parametrize(("private", "links"), [(False, True), (True, False)])
def test_a_stranger_about_an_issue(  # noqa: PLR0917 - as above
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, private: bool, links: bool
) -> None:
    """A stranger who names an issue makes one of his own, which is linked with it only if both are public."""
    number = plain_issue(redmine, project, is_private=private)
    issue = issue_of(bridge, redmine, mailbox, mail(f"Re: [#{number}] By hand", "Me too.\n"))
    assert ({number} if links else set()) == related(issue)
    assert number != issue["id"]


@pytest.mark.parametrize(
    ("sender", "private", "text"),
    [
        (ANNA, False, "Yes."),
        (ANNA, True, "Yes."),
        (CAROL, True, "From: `Carol Customer <carol@example.org>`\n\nYes."),
    ],
)
def test_reply_by_the_number_of_a_note(  # noqa: PLR0917 - a column of the table each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, sender: str, private: bool, text: str
) -> None:
    """A reply that names only the number of a note finds its issue, and is private when the note is: by the bridge's
    own user, who names the sender, where the sender may not write private notes.
    """
    number = plain_issue(redmine, project)
    note = {"notes": "What do you think?", "private_notes": private}
    redmine.admin.call("PUT", f"/issues/{number}.json", {"issue": note})
    journal = redmine.admin.issue(number)["journals"][-1]
    stamp = "".join(c for c in journal["created_on"] if c.isdigit())
    raw = mail(
        "Re: hello", "Yes.\n", sender=sender, In_Reply_To=f"<redmine.journal-{journal['id']}.{stamp}.1@any.example>"
    )
    issue = issue_of(bridge, redmine, mailbox, raw)
    last = issue["journals"][-1]
    if redmine.text_format == "textile":
        text = text.replace(": `", ": <code>").replace("`", "</code>")
    assert (number, text, private) == (issue["id"], last["notes"], last["private_notes"])


def test_bundle_window(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Mails of one sender with one subject within the window are one issue, each a note; another subject is not."""
    bridge.issue(bundle_window="15m")
    first, again, other = (mail(subject, f"{subject}\n") for subject in ("Alarm", "Alarm", "Alarm 2"))
    numbers = [issue_of(bridge, redmine, mailbox, raw)["id"] for raw in (first, again, other)]
    assert (numbers[0], True) == (numbers[1], numbers[2] not in numbers[:2])


def test_reply_only(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A mailbox for replies takes replies and refuses what would be a new issue."""
    first = mail("Before", sender=ANNA)
    number = issue_of(bridge, redmine, mailbox, first)["id"]
    bridge.issue(reply_only=True)
    refused = outcome_of(bridge, mailbox, mail("New", sender=ANNA))
    reply = mail("Re: Before", "More.\n", sender=ANNA, In_Reply_To=message_id_of(first))
    assert (State.REJECTED, True) == (refused.state, "replies only" in refused.line)
    assert number == issue_of(bridge, redmine, mailbox, reply)["id"]


@pytest.mark.parametrize(("allowed", "joins"), [("public", True), ("participants", False)])
def test_signed_references(bridge: Product, redmine: Redmine, mailbox: Mailbox, allowed: str, joins: bool) -> None:
    """Who answers our own mail without taking part reaches a public issue, unless only participants may."""
    number = issue_of(bridge, redmine, mailbox, mail("Start", sender=ANNA))["id"]
    bridge.issue(signed_references=allowed)
    with bridge.application() as made:
        signer = made.planner.contexts["support"].identity.signer
    assert signer is not None
    ours = signer.message_id("received", number, "1", "mail.example.com")
    issue = issue_of(bridge, redmine, mailbox, mail("Re: Start", "Forwarded to me.\n", In_Reply_To=f"<{ours}>"))
    assert joins is (number == issue["id"])


@pytest.mark.parametrize(("setting", "notes"), [("ignore", 0), ("private_note", 1)])
def test_auto_replies(bridge: Product, redmine: Redmine, mailbox: Mailbox, setting: str, notes: int) -> None:
    """An auto-reply about an issue is ignored or becomes a private note, and changes nothing."""
    first = mail("Before", sender=ANNA)
    number = issue_of(bridge, redmine, mailbox, first)["id"]
    bridge.issue(automatic_reply=setting)
    outcome_of(
        bridge, mailbox, mail("Away", sender=ANNA, In_Reply_To=message_id_of(first), Auto_Submitted="auto-replied")
    )
    journals = redmine.admin.issue(number)["journals"]
    assert (notes, [True] * notes) == (len(journals), [one["private_notes"] for one in journals])


def test_permissions(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Who may not add issues is refused as Redmine would; without the check the bridge writes and names the sender."""
    bridge.issue(project="secret")
    refused = outcome_of(bridge, mailbox, mail(sender=CAROL))
    assert (State.REJECTED, "carol may not add issues in secret") == (refused.state, refused.line)
    bridge.issue(check_permissions=False)
    issue = issue_of(bridge, redmine, mailbox, mail(sender=CAROL))
    assert ("Redmine Admin", True) == (issue["author"]["name"], "carol@example.org" in issue["description"])


# ---------------------------------------------------------------------- what Redmine does silently


def test_what_a_sender_may_not_set(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """What Redmine drops of the settings the bridge sets itself; what it drops of a keyword line stays, and is told."""
    bridge.issue(status="Resolved")
    assert "Resolved" == issue_of(bridge, redmine, mailbox, mail(sender=CAROL))["status"]["name"]
    assert "set by the bridge's own user: status_id" in steps_of(bridge)
    bridge.issue(status="New", allow_override="status")
    issue = issue_of(bridge, redmine, mailbox, mail(text="Hm.\n\nStatus: Resolved\n", sender=CAROL))
    assert "New" == issue["status"]["name"]
    assert "requested status" in steps_of(bridge)


def test_what_does_not_fit(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """A long subject and a long text are cut, and are attached whole, once."""
    subject, text = "s" * 300, "A line of text.\n" * 200
    bridge.issue(description_limit=1000)
    issue = issue_of(bridge, redmine, mailbox, mail(subject, text, sender=ANNA))
    files = {one["filename"]: redmine.admin.attachment(one).decode() for one in issue["attachments"]}
    assert {"mail-subject.txt": subject, "mail-text.txt": text.strip()} == files
    assert (subject[:255], True) == (issue["subject"], len(issue["description"].encode()) <= 1000)


# ---------------------------------------------------------------------- reading


def test_files_and_delimiters(bridge: Product, redmine: Redmine, mailbox: Mailbox) -> None:
    """Excluded and oversized files are named and not attached; below a delimiter nothing is read."""
    files = {"card.VCF": b"BEGIN", "large.bin": b"x" * 5000, "keep.bin": b"kept"}
    bridge.support(reading={"excluded_names": ["*.vcf"], "max_attachment": "4kB", "delimiters": ["/-- ?cut ?--/"]})
    issue = issue_of(bridge, redmine, mailbox, mail(text="Above\n\n-- cut --\nBelow\n", sender=ANNA, files=files))
    assert ["keep.bin"] == [one["filename"] for one in issue["attachments"]]
    text = issue["description"]
    assert ([True, True], [False, False]) == (
        [name in text for name in ("card.VCF", "large.bin")],
        [word in text for word in ("Below", "cut --")],
    )


# ---------------------------------------------------------------------- start and brake


@pytest.mark.parametrize(
    ("settings", "taken"),
    [({"first_sync_limit": 2}, 2), ({"start_from": "now"}, 0), ({"start_from": TODAY + 2 * DAY}, 0), ({}, 3)],
)
def test_first_time(bridge: Product, mailbox: Mailbox, settings: dict[str, Any], taken: int) -> None:
    """Of what lies there the first time so much is taken as the settings say; the rest stays where it is."""
    bridge.support(**settings)
    mailbox.append(*(mail(f"Old {n}", sender=ANNA) for n in range(3)))
    assert taken == len(bridge.receive())
    assert 3 - taken == mailbox.count()["INBOX"]
    later = outcome_of(bridge, mailbox, mail("Later", sender=ANNA))
    assert (State.DONE, "Later") == (later.state, later.row.subject)


def test_brake(bridge: Product, mailbox: Mailbox) -> None:
    """More new mails at once than max_new_mails stop the mailbox until somebody releases it."""
    outcome_of(bridge, mailbox, mail("First", sender=ANNA))
    bridge.support(max_new_mails=2)
    mailbox.append(*(mail(f"Moved {n}", sender=ANNA) for n in range(3)))
    (stopped,) = bridge.passes()
    assert "mailboxes resume support" in str(stopped.error)
    assert 3 == mailbox.count()["INBOX"]
    assert 0 == bridge.quick("mailboxes", "resume", "support").exit_code
    assert 3 == len(bridge.receive())
