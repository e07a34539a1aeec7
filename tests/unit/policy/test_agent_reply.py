"""An agent who replies by mail: what is sent to the requester, what is private, and what the agent is told."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.plan import Action, AgentReply, NotMailed, Plan
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.fact_request import requested_facts
from redmine_mailbridge.policy.manual import ManualDecision, by_hand
from tests.unit.policy.world import NEIGHBOURS, Signer, facts, identity, message, route_of

ACCOUNT = "anna.account@corp.example"
AGENT = {"from": "anna", "auth": "passed", "ref": "tag:10", "sees": "yes", "notes": "yes", "edits": "yes"}
MAIL = 'agent_replies = "mail"'
SENT = AgentReply(to_requester=True)
SILENT = AgentReply()


def withheld(why: NotMailed) -> AgentReply:
    """What becomes of a reply that is private for a reason that the agent is told."""
    return AgentReply(not_mailed=why, account=ACCOUNT)


def planned(row: dict[str, str], settings: str = MAIL) -> Plan:
    """The plan for a mail; Anna's account has an address of its own."""
    known = facts(row)
    users = dict(known.users)
    users["anna@corp.example"] = replace(users["anna@corp.example"], mail=ACCOUNT)
    return decide(message(row), route_of(settings, row), identity(row), replace(known, users=users))


CASES = {
    "a proven agent": ({}, MAIL, SENT, False),
    "with a notification's id": ({"ref": "timed:10"}, MAIL, SENT, False),
    "off, as by default": ({}, "", None, False),
    "always private": ({}, 'agent_replies = "private"', SILENT, True),
    "always private, not proven": ({"auth": "unknown", "ref": "signed:10"}, 'agent_replies = "private"', SILENT, True),
    "private by its first line": ({"text": "/private\nA secret."}, MAIL, SILENT, True),
    "private in other letters": ({"text": " /PRIVATE  \n\nA secret."}, MAIL, SILENT, True),
    "a path, no command": ({"text": "/private/tmp is full"}, MAIL, SENT, False),
    "a command further down": ({"text": "Look:\n/private"}, MAIL, SENT, False),
    "not proven": ({"auth": "unknown", "mailed": "anna", "ref": "signed:10"}, MAIL, withheld(NotMailed.UNPROVEN), True),
    "answers a private note": ({"ref": "timed-journal:8"}, MAIL, SILENT, True),
    "her own issue": ({"ref": "tag:11"}, MAIL, None, False),
    "may not edit issues": ({"agents": "ben@corp.example"}, MAIL, None, False),
    "a customer": ({"from": "kim", "ref": "signed:10"}, MAIL, None, False),
    "a customer with an account": ({"from": "carl"}, MAIL, None, False),
    "a customer's /private": ({"from": "kim", "ref": "signed:10", "text": "/private\nHello"}, MAIL, None, False),
    "without an administrator's key": ({"key": "plain"}, MAIL, withheld(NotMailed.NO_ACCESS), True),
    "a rule forwards it": ({"headers": "X-Autoforwarded: yes"}, MAIL, None, False),
    "a list's": ({"kind": "list"}, MAIL, None, False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_the_note(name: str) -> None:
    """A reply is sent to the requester only as the agent's own, proven note; what is withheld is private."""
    changes, settings, expected, private = CASES[name]
    plan = planned(AGENT | changes, settings)
    assert (expected, private) == (plan.agent_reply, plan.private_note), plan.steps
    told = plan.agent_reply is not None and plan.agent_reply.not_mailed is not None
    assert ("withheld" if told else None) == (plan.template if private or plan.agent_reply else None), plan.steps


@pytest.mark.parametrize("trust", ["any", "internal"])
@pytest.mark.parametrize("auth", ["passed", "unknown"])
def test_no_reply_reaches_a_customer_under_another_trust(trust: str, auth: str) -> None:
    """Where a From address counts without the mail server's verdict, no reply by mail is sent to a customer."""
    settings = f"{MAIL}; senders.internal_domains = ['corp.example']"
    plan = planned(AGENT | {"trust": trust, "auth": auth}, settings)
    assert (withheld(NotMailed.TRUST), True, "anna") == (plan.agent_reply, plan.private_note, plan.act_as), plan.steps


def test_the_strictest_mailbox_decides() -> None:
    """A reply is sent to the requester only if the mailbox does that which created the issue too."""
    row = AGENT | {"made": "sales"}
    assert None is planned(row).agent_reply  # there agents' replies are notes
    assert SILENT == planned(row, 'agent_replies = "private"').agent_reply


@pytest.mark.parametrize("text", ["/private\nNot for Kim.", "/private"])
def test_the_command_is_taken_out(text: str) -> None:
    """The line does not stand in the note."""
    plan = planned(AGENT | {"text": text})
    assert plan.private_note
    assert "/private" not in plan.text


@pytest.mark.fault("A29-1")
@pytest.mark.parametrize(
    "text",
    ["\ufeff/private\nA secret.", "\u200b/private\u200b\nA secret.", "\xa0/private\xa0\nA secret.",
     "/private A secret.", "/private: A secret.", "/private.\nA secret.", "**/private**\nA secret.",
     "\\/private\n\nA secret."],
)  # fmt: skip
def test_the_command_as_people_and_programs_write_it(text: str) -> None:
    """Invisible characters, markup and further words in its line do not make the note public."""
    plan = planned(AGENT | {"text": text})
    assert (SILENT, True, "A secret.") == (plan.agent_reply, plan.private_note, plan.text.strip())


@pytest.mark.fault("A32-4")
@pytest.mark.parametrize("mark", ["\u202a", "\u2066", "\u061c", "\u034f", "\ufe0f", "\u180e"])
def test_marks_that_nobody_sees_around_the_command(mark: str) -> None:
    """Marks of direction, as programs put them around Latin words of a text from right to left, publish nothing."""
    for text in (f"{mark}/private\nA secret.", f"{mark}/private{mark}\nA secret.", f"/private{mark} A secret."):
        plan = planned(AGENT | {"text": text})
        assert (SILENT, True, "A secret.") == (plan.agent_reply, plan.private_note, plan.text.strip())


@pytest.mark.fault("A29-1")
def test_the_command_below_keyword_lines() -> None:
    """Keyword lines are not text: the command may follow them."""
    plan = planned(AGENT | {"text": "Priority: High\n/private\nA secret."}, f'{MAIL}; allow_override = "all"')
    assert (SILENT, True, "A secret.") == (plan.agent_reply, plan.private_note, plan.text.strip())


@pytest.mark.fault("A29-2")
@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"kind": "list"}, MAIL),
        ({"headers": "X-Autoforwarded: yes"}, MAIL),
        ({"ref": "tag:11"}, MAIL),
        ({"made": "sales"}, MAIL),
        ({"ref": "tag:30"}, f'{MAIL}; closed_reply = "new"'),
    ],
)
def test_the_command_counts_in_any_reply_of_an_agent(changes: dict[str, str], settings: str) -> None:
    """Through a list or a rule, in the agent's own issue, in another mailbox's, in a closed one: it is private."""
    plan = planned(AGENT | {"text": "/private\nA secret."} | changes, settings)
    assert plan.private_note, plan.steps
    assert "/private" not in plan.text
    assert plan.template is None


@pytest.mark.fault("A29-2")
def test_what_a_rule_forwards_is_private_where_every_reply_is() -> None:
    """`agent_replies = "private"` has no exception."""
    assert planned(AGENT | {"headers": "X-Autoforwarded: yes"}, 'agent_replies = "private"').private_note


@pytest.mark.fault("A29-3")
@pytest.mark.parametrize("changes", [{"auth": "unknown"}, {"ref": ""}])
def test_a_new_issue_by_the_command_is_private(changes: dict[str, str]) -> None:
    """A reply that does not reach its issue keeps its secret."""
    plan = planned(AGENT | {"text": "/private\nA secret."} | changes)
    assert (Action.CREATE, True) == (plan.action, plan.fields.is_private), plan.steps
    assert "/private" not in plan.text
    customers = {"from": "kim", "text": "/private\nHello"}
    assert not planned(customers).fields.is_private


@pytest.mark.fault("A32-1")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"auth": "unknown"}, NotMailed.UNPROVEN),
        ({"auth": "unknown", "ref": "timed:10"}, NotMailed.UNPROVEN),
        ({"sees": "no", "notes": "no"}, NotMailed.NO_ACCESS),
    ],
)
def test_a_reply_that_does_not_reach_its_issue_is_private(changes: dict[str, str], why: NotMailed) -> None:
    """It was meant for one issue, not for everybody who may read the project; and the agent hears of it."""
    for setting, expected in ((MAIL, withheld(why)), ('agent_replies = "private"', None)):
        plan = planned(AGENT | changes, setting)
        assert (Action.CREATE, True, expected) == (plan.action, plan.fields.is_private, plan.agent_reply), plan.steps
        assert ("withheld" if expected else "received") == plan.template
        assert plan.private_by_mail
        assert plan.related_issue is None
    plan = planned(AGENT | changes, "")
    assert (False, None, "received") == (plan.fields.is_private, plan.agent_reply, plan.template), plan.steps


@pytest.mark.fault("A32-1")
@pytest.mark.parametrize(
    "changes",
    [
        {"ref": ""},
        {"from": "mallory"},
        {"agents": "ben@corp.example"},
        {"ref": "tag:11"},
        {"headers": "X-Autoforwarded: yes"},
        {"first": "yes"},
        {"ref": "Other:10"},
    ],
)
def test_any_other_mail_without_an_issue_is_public_as_before(changes: dict[str, str]) -> None:
    """A new question, someone else's, in the agent's own issue, a machine's, old, or with another system's tag."""
    row = AGENT | {"auth": "unknown"} | changes
    plan = planned(row)
    assert plan.issue is not None or not plan.fields.is_private, plan.steps
    assert (None, False) == (plan.agent_reply, plan.private_note), plan.steps


@pytest.mark.fault("A29-4")
@pytest.mark.parametrize("closed", ['closed_reply = "new"', 'closed_reply = "reopen"; reopen_within = "1d"'])
def test_an_agents_reply_to_a_closed_issue_reaches_its_requester(closed: str) -> None:
    """It is no new question: it stays in its issue."""
    plan = planned(AGENT | {"ref": "tag:30"}, f"{MAIL}; {closed}")
    assert (30, SENT) == (plan.issue, plan.agent_reply), plan.steps
    assert planned(AGENT | {"ref": "tag:30"}, closed).issue is None


@pytest.mark.fault("A29-9")
@pytest.mark.parametrize("changes", [{"forwards": "stranger"}, {"text": "", "ref": "tag:10 marker:10"}])
def test_what_others_wrote_is_not_sent(changes: dict[str, str]) -> None:
    """A forwarded message, and the quotation that alone is left of an empty reply, are none of the agent's words."""
    plan = planned(AGENT | changes)
    assert (withheld(NotMailed.OTHERS_TEXT), True) == (plan.agent_reply, plan.private_note), plan.steps


@pytest.mark.fault("A29-10")
def test_a_withheld_reply_is_not_the_customers() -> None:
    """`reply_status` is for what customers write, not for an agent's reply that nothing proves."""
    row = AGENT | {"auth": "unknown", "mailed": "anna", "ref": "signed:10"}
    plan = planned(row, f'{MAIL}; reply_status = {{New = "In Progress"}}')
    assert ("withheld", None) == (plan.template, plan.fields.names.get("status")), plan.steps


@pytest.mark.fault("A29-6")
def test_old_mail_is_not_sent() -> None:
    """What lay in the mailbox before the bridge came was answered, or not, by other means."""
    plan = planned(AGENT | {"first": "yes"})
    assert (None, False) == (plan.agent_reply, plan.private_note), plan.steps


def test_files_of_a_withheld_note_stay_in_the_mail() -> None:
    """Redmine shows the files of a private note to everybody who sees the issue."""
    assert 1 == len(planned(AGENT | {"files": "yes"}).attachments)
    plan = planned(AGENT | {"files": "yes", "text": "/private\nSee there."})
    assert () == plan.attachments
    assert "scan.pdf" in plan.text


def test_what_a_person_files_by_hand_is_sent_to_nobody() -> None:
    """Filing a mail by hand is no answer of the agent's; its /private counts nevertheless."""
    row = AGENT | {"ref": ""}
    decision = ManualDecision("root", issue=10)
    for text, private in (("Hello", False), ("/private\nHello", True)):
        plan = by_hand(message(row | {"text": text}), route_of(MAIL, row), identity(row), facts(row), decision)
        assert private == plan.private_note, plan.steps
        assert plan.agent_reply is None or not plan.agent_reply.to_requester


def test_what_is_asked_about_the_sender() -> None:
    """Whether the sender is an agent is asked only where it matters: in this mailbox, or in one that made the issue."""
    row = {"from": "anna"}
    asked = requested_facts(message(row), route_of(MAIL, row), identity(row))
    assert ("anna@corp.example",) == asked.agents
    assert () == requested_facts(message(row), route_of("", row), identity(row)).agents
    other = NEIGHBOURS["sales"].model_copy(update={"issue": route_of(MAIL, row).issue})
    mailbox = replace(identity(row), routes={**NEIGHBOURS, "sales": other})
    assert ("anna@corp.example",) == requested_facts(message(row), route_of("", row), mailbox).agents


def test_a_reply_to_the_notice_is_the_teams() -> None:
    """What a stranger replies to the notice that a reply was withheld does not become public."""
    signed = Signer(b"a key for the tests only", "test").message_id("withheld", 10, "5", "corp.example")
    row = {"from": "stranger", "set": 'signed_references = "anyone"'}
    mail = replace(message(row), in_reply_to=(signed,))
    plan = decide(mail, route_of(row["set"], row), identity(row), facts(row))
    assert (10, True) == (plan.issue, plan.private_note), plan.steps


@pytest.mark.parametrize(
    ("changes", "settings", "reopened"),
    [
        ({}, MAIL, True),
        ({"text": "/private\nA secret."}, MAIL, False),
        ({}, 'agent_replies = "private"', False),
        ({"auth": "unknown", "mailed": "anna", "ref": "signed:30"}, MAIL, False),
        ({"text": "", "ref": "tag:30 marker:30"}, MAIL, False),
    ],
)
def test_a_private_note_reopens_nothing(changes: dict[str, str], settings: str, reopened: bool) -> None:
    """A closed issue is reopened by what its requester receives, not by a word among the team, nor by a reply that is
    withheld.
    """
    plan = planned(AGENT | {"ref": "tag:30"} | changes, f'{settings}; closed_reply = "reopen"')
    assert (30, not reopened) == (plan.issue, plan.private_note), plan.steps
    assert reopened == ("status" in plan.fields.names), plan.steps


@pytest.mark.parametrize(("begun", "expected"), [(False, None), (True, SENT)])
def test_an_agent_who_made_the_issue_in_redmine(*, begun: bool, expected: AgentReply | None) -> None:
    """The author of an issue whose conversation began in Redmine is an agent there; the author of a mail's is not."""
    row = AGENT | {"ref": "tag:11"}
    known = facts(row)
    issues = {number: replace(issue, begun=begun) for number, issue in known.issues.items()}
    plan = decide(message(row), route_of(MAIL, row), identity(row), replace(known, issues=issues))
    assert expected == plan.agent_reply, plan.steps
