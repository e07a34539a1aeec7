"""Mail of third parties: recognized by address, id or marker, private, and without effect on the conversation."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.manual import ManualDecision, by_hand
from redmine_mailbridge.policy.note_commands import parse
from tests.unit.policy.test_invariants import ROWS
from tests.unit.policy.world import SIGNER, facts, identity, message, route_of

SUE = "sue@parts.example"
"""A supplier to whom an agent has written from issues 10, 20 and 30."""
TO_SUE = SIGNER.message_id("third_party", 10, "j5", "corp.example")
PUBLIC = 'third_party_replies = "public"'


def known(row: dict[str, str]) -> Facts:
    """What is known: the supplier is a third party of some issues."""
    plain = facts(row)
    issues = {
        number: replace(issue, third_parties=frozenset({SUE})) if number in (10, 20, 30) else issue
        for number, issue in plain.issues.items()
    }
    return replace(plain, issues=issues, third_party_ids=frozenset(row.get("apart", "").split()))


def mail(row: dict[str, str]) -> Message:
    """A mail of the supplier, or of whom the row names; `answers` is the id that it answers, `quote` a quoted word."""
    made = message({"from": SUE} | row)
    if "answers" in row:
        made = replace(made, in_reply_to=(row["answers"],))
    if "quote" in row:
        quoted = f"> {row['quote']}"
        made = replace(made, body=replace(made.body, quoted=quoted, whole=f"{made.body.whole}\n{quoted}"))
    return made


def planned(row: dict[str, str], settings: str = "") -> Plan:
    """The plan for a mail."""
    return decide(mail(row), route_of(settings, row), identity(row), known(row))


CASES: dict[str, tuple[dict[str, str], str, int | None, bool, bool]] = {
    "in reply to our mail": ({"answers": TO_SUE}, "", 10, True, True),
    "by the tag alone": ({"ref": "tag:10"}, "", 10, True, True),
    "another subaddress": ({"from": "sue+7@parts.example", "ref": "tag:10"}, "", 10, True, True),
    "with the customer's words in the subject": ({"ref": "Bug:10"}, "", 10, True, True),
    "in reply to mail to the customer": ({"ref": "signed:10"}, "", 10, True, True),
    "public by the settings": ({"answers": TO_SUE}, PUBLIC, 10, False, True),
    "from another address": ({"from": "depot@parts.example", "answers": TO_SUE}, "", 10, True, True),
    "from another address, with a quote alone": (
        {"from": "depot@parts.example", "quote": SIGNER.marker(10, third_party=True)}, "", 10, True, True,
    ),
    "from another address, public": ({"from": "depot@parts.example", "answers": TO_SUE}, PUBLIC, 10, False, True),
    "the customer, in their thread": ({"from": "kim", "answers": TO_SUE}, "", 10, True, False),
    "the customer, in their thread, public": ({"from": "kim", "answers": TO_SUE}, PUBLIC, 10, True, False),
    "the customer, who quotes them": (
        {"from": "kim", "ref": "tag:10", "quote": SIGNER.marker(10, third_party=True)}, "", 10, True, False,
    ),
    "the customer, elsewhere": ({"from": "kim", "ref": "signed:10"}, "", 10, False, False),
    "an agent, in their thread": (
        {"from": "anna", "auth": "passed", "sees": "yes", "notes": "yes", "answers": TO_SUE}, "", 10, True, False,
    ),
    "an agent, in their thread, public": (
        {"from": "anna", "auth": "passed", "sees": "yes", "notes": "yes", "answers": TO_SUE}, PUBLIC, 10, True, False,
    ),
    "an agent whom nothing proves, in their thread": ({"from": "anna", "answers": TO_SUE}, PUBLIC, 10, True, False),
    "in reply to a mail of theirs": (
        {"from": "depot@parts.example", "ref": "known:10", "apart": "known-10@client.example"},
        'signed_references = "anyone"', None, False, False,
    ),
    "closed, and replies create issues": ({"ref": "tag:30"}, 'closed_reply = "new"', 30, True, True),
    "on an issue that is theirs by nothing": ({"ref": "tag:11"}, "", None, False, False),
}  # fmt: skip


@pytest.mark.fault("O2")
@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_their_mail(name: str) -> None:
    """What third parties write, and what is written in a thread with them, is a private note unless the settings say
    otherwise; never a note as a user, an acknowledgement, a watcher or a status of theirs.
    """
    row, rules, issue, private, from_them = CASES[name]
    plan = planned(row, rules)
    assert (issue, private, from_them) == (plan.issue, plan.private_note, plan.third_party), plan.steps
    if from_them:
        assert (None, None, (), ()) == (plan.act_as, plan.template, plan.watchers, plan.groups)


@pytest.mark.fault("O2")
def test_what_reaches_no_issue_is_a_private_issue() -> None:
    """A reply that may not be a note is no public issue with what it quotes: the supplier's own, by the tag alone, on
    an issue that is not public, or somebody else's, where only participants may reply.
    """
    for row, rules in (
        ({"ref": "tag:20"}, ""),
        ({"from": "stranger", "answers": TO_SUE}, 'signed_references = "participants"'),
        ({"from": "stranger", "ref": "known:404", "apart": "known-404@client.example"}, ""),
    ):
        plan = planned(row, rules)
        assert (Action.CREATE, True, None) == (plan.action, plan.fields.is_private, plan.related_issue), plan.steps
    assert not planned({"from": "stranger"}).fields.is_private


def test_a_third_party_that_is_a_user() -> None:
    """A supplier with an account is a supplier: the bridge writes the note, in private."""
    row = {"from": "carl", "auth": "passed", "sees": "yes", "notes": "yes", "edits": "yes", "ref": "tag:10"}
    plain = known(row)
    issue = replace(plain.issues[10], third_parties=frozenset({"carl@client.example"}))
    plan = decide(mail(row), route_of("", row), identity(row), replace(plain, issues={10: issue}))
    assert (True, True, None) == (plan.private_note, plan.third_party, plan.act_as), plan.steps


def test_their_mail_changes_no_status_but_reopens() -> None:
    """The map of statuses after the customer's reply is not for theirs; an issue that replies reopen is reopened, so
    that somebody sees it.
    """
    settings = 'reply_status = { New = "In Progress" }; closed_reply = "reopen"'
    assert None is planned({"ref": "tag:10"}, settings).fields.status_id
    assert 1 == planned({"ref": "tag:30"}, settings).fields.status_id
    assert 2 == planned({"from": "kim", "ref": "tag:10"}, settings).fields.status_id


@pytest.mark.fault("A35-5")
def test_their_keyword_lines_set_nothing() -> None:
    """Where permissions are not checked the customer's mail closes the issue by a line, theirs does not."""
    rules = 'check_permissions = false; allow_override = "all"; keywords_from = "anyone"'
    for sender, closed in (("kim", 5), (SUE, None)):
        row = {"from": sender, "ref": "tag:10", "text": "Status: Closed\n\nAll done."}
        assert closed == planned(row, rules).fields.status_id, sender


def test_files_of_a_private_note_stay_in_the_mail() -> None:
    """Redmine would show them to everybody; those of a public note are attached."""
    for rules, files in (("", 0), (PUBLIC, 1)):
        assert files == len(planned({"answers": TO_SUE, "files": "yes"}, rules).attachments)


@pytest.mark.fault("O2")
def test_what_a_person_files_stays_private() -> None:
    """A mail of a third party, or in a thread with one, is private wherever a person files it."""
    for row, where in (
        ({"answers": TO_SUE}, ManualDecision("root", issue=11)),
        ({"ref": "tag:11"}, ManualDecision("root", issue=10)),
        ({"answers": TO_SUE}, ManualDecision("root", new=True)),
        ({"apart": "mail-1@client.example"}, ManualDecision("root", issue=11)),
    ):
        plan = by_hand(mail(row), route_of("", row), identity(row), known(row), where)
        assert plan.private_note or plan.fields.is_private, plan.steps
        assert None is plan.template or plan.action is Action.CREATE


def test_the_strictest_mailbox_decides() -> None:
    """Their replies are public only where the mailbox that created the issue says so as well."""
    assert planned({"answers": TO_SUE, "made": "sales"}, PUBLIC).private_note
    assert not planned({"answers": TO_SUE}, PUBLIC).private_note


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/to sue@parts.example\nHello", True), ("/to sue", True), ("Hello\n/to sue@parts.example", False), ("", False),
     ("/cc sue@parts.example\nHello", False), ("Go /to sue@parts.example", False),
     ("/tos sue@parts.example", True), ("/t sue@parts.example", True), ("/cc sue", False),
     ("/tester sue@parts.example", False)],
)  # fmt: skip
def test_which_notes_name_third_parties(text: str, *, expected: bool) -> None:
    """Those that begin with the command, even if the address is none, or the command is mistyped."""
    assert expected is parse(text).for_third_parties


@settings(max_examples=400, deadline=None)
@given(ROWS, st.sampled_from(["", f"answers {TO_SUE}", "apart"]))
def test_whatever_else_a_mail_says(row: dict[str, str], how: str) -> None:
    """Of whom an agent has named, and of whoever writes in such a thread, no note is public; one of a third party
    has no effect but the note.
    """
    known_facts = facts(row)
    sender = message(row).sender.key
    if how:
        row = row | ({"answers": TO_SUE} if how.startswith("answers") else {})
        known_facts = replace(
            known_facts, third_party_ids=frozenset({"mail-1@client.example"} if how == "apart" else ())
        )
    else:
        them = frozenset({sender} - {""})
        issues = {number: replace(issue, third_parties=them) for number, issue in known_facts.issues.items()}
        known_facts = replace(known_facts, issues=issues)
    plan = decide(mail(row), route_of(row["set"], row), identity(row), known_facts)
    if plan.action is Action.NOTE and (how or sender):
        assert plan.private_note, plan.steps
        assert None is plan.template, plan.steps
    if plan.third_party:
        assert (None, (), ()) == (plan.act_as, plan.watchers, plan.groups), plan.steps
    if plan.action is Action.CREATE and how:
        assert plan.fields.is_private, plan.steps
