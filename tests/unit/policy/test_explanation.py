"""What `explain` prints shows each setting at work: every key of the route's tables has a mail that shows it."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from redmine_mailbridge.policy.explanation import as_lines
from redmine_mailbridge.settings.issue import IssueSettings, Route
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.settings.senders import CreateUser, DomainRule, SenderSettings
from tests.unit.policy.world import plan_of

USER = "from = anna | auth = passed"
INTERNAL = "from = anna | trust = internal"
OUR_DOMAINS = 'senders.internal_domains = ["corp.example"]'
RULE = '{ name = "the one", '
ORDER = "subject = '/Order (?P<n>[0-9]+)/'"
"""Cells as in the policy tables, "NAME = VALUE" with | between; "set" is the settings' TOML."""

SHOWN: dict[str, tuple[str, str]] = {
    "issue.project": ("project = sales", "project sales from the mailbox"),
    "issue.tracker": ('set = tracker = "Bug"', 'tracker "Bug" from the mailbox'),
    "issue.category": ('set = category = "Printing"', 'category "Printing" from the mailbox'),
    "issue.priority": ('set = priority = "High"', 'priority "High" from the mailbox'),
    "issue.status": ('set = status = "New"', 'status "New" from the mailbox'),
    "issue.assignee": ('set = assignee = "ben"', 'assigned to "ben" from the mailbox'),
    "issue.version": ('set = version = "Alpha"', 'fixed version "Alpha" from the mailbox'),
    "issue.parent": ("set = parent = 10", 'parent issue "10" from the mailbox'),
    "issue.private": ("set = private = true", 'is private "1" from the mailbox'),
    "issue.start_in": ('set = start_in = "0s"', 'start date "2026-05-20" from the mailbox'),
    "issue.due_in": ('set = due_in = "2d"', 'due date "2026-05-22" from the mailbox'),
    "issue.custom_fields": ('set = custom_fields.Order = "{subject}"', 'custom field Order "Printer is on fire"'),
    "issue.requester_field": (
        'set = requester_field = "Requester"',
        'custom field Requester "kim@client.example" from requester_field',
    ),
    "issue.priority_by_importance": (
        'importance = high | set = priority_by_importance.high = "Urgent"',
        'priority "Urgent" from the mail\'s importance',
    ),
    "issue.watchers_from_mail": ("cc = anna", "watchers: 5"),
    "issue.unknown_sender": ("unknown = ignore", "the sender is unknown, and unknown_sender is ignore"),
    "issue.trust": ("from = anna | trust = any", "trust any: trusted by that setting"),
    "issue.check_permissions": (f"{USER} | may = sales | set = check_permissions = false", "check_permissions is off"),
    "issue.signed_references": (
        'from = stranger | ref = signed:10 | set = signed_references = "anyone"',
        "the sender replies to our signed mail",
    ),
    "issue.allow_override": (
        f'{USER} | text = Priority: High | set = allow_override = "priority"',
        'priority "High" from a keyword line',
    ),
    "issue.follow_closed": ("ref = known:60", "#60 is closed and duplicates #10: the sender is a participant"),
    "issue.forwarded": (
        'from = anna | auth = passed | forwards = kim | set = forwarded = "original"',
        "kim@client.example, from a forwarded message, is the requester: anna vouches for it (issue.forwarded)",
    ),
    "issue.third_party_replies": (
        'from = stranger | ref = third:10 | set = third_party_replies = "public"',
        "its sender is a third party of the issue: the note is public (third_party_replies)",
    ),
    "issue.agent_replies": (
        'from = anna | auth = passed | ref = tag:10 | sees = yes | notes = yes | set = agent_replies = "mail"',
        "the reply of the agent anna is treated like a note in Redmine: answers.notes decides",
    ),
    "issue.keywords_from": (
        'text = Priority: High | set = allow_override = "priority"; keywords_from = "anyone"',
        'priority "High" from a keyword line',
    ),
    "issue.project_from_subaddress": (
        "to = support+sales@corp.example | set = project_from_subaddress = true",
        "project sales from the subaddress support+sales@corp.example",
    ),
    "issue.rules": (
        f'set = issue.rules = "all"; rules = [{RULE}priority = "High" }}, {{ name = "two", project = "sales" }}]',
        'rule "two" matches',
    ),
    "issue.reply_only": ("set = reply_only = true", "this mailbox accepts replies only"),
    "issue.several_mailboxes": ("to = sales support", "the first mailbox that it is addressed to is sales"),
    "issue.bundle_window": ("ref = bundle:10", "the same sender and subject within bundle_window"),
    "issue.closed_reply": ('ref = known:30 | set = closed_reply = "new"', "#30 is closed"),
    "issue.reopen_status": (
        'ref = known:30 | set = closed_reply = "reopen"; reopen_status = "In progress"',
        "#30 is closed and reopened as In progress",
    ),
    "issue.reopen_within": (
        'ref = known:30 | set = closed_reply = "reopen"; reopen_within = "2d"',
        "#30 is closed for longer than reopen_within",
    ),
    "issue.reply_status": (
        'ref = known:10 | set = reply_status.New = "In progress"',
        "#10: status changes from New to In progress (reply_status)",
    ),
    "issue.automatic_reply": (
        'ref = signed:10 | kind = auto-reply | set = automatic_reply = "private_note"',
        "note on #10: it is an automatic reply",
    ),
    "issue.description_limit": ("text = longer | set = description_limit = 3", "longer than description_limit"),
    "issue.answer_refused": (
        "set = reply_only = true; answer_refused = true",
        'auto-reply "refused" will be sent',
    ),
    "accept_automatic": ("kind = auto-reply | set = accept_automatic = true", "accept_automatic is on"),
    "senders.ticket_user": ('set = senders.ticket_user = "desk"', "the ticket_user desk writes"),
    "senders.locked": ('from = lena | set = senders.locked = "ignore"', "ignore: the Redmine user lena is locked"),
    "senders.failed_authentication": (
        'from = anna | auth = failed | set = senders.failed_authentication = "hold"',
        "the From address is forged according to dmarc",
    ),
    "senders.spam": ('spam = yes | set = senders.spam = "junk"', "junk: it is spam according to X-Spam-Flag: YES"),
    "senders.internal_domains": (f"{INTERNAL} | set = {OUR_DOMAINS}", "trusted by internal_domains"),
    "senders.internal_mark": (
        f'{INTERNAL} | headers = X-Ours: yes | set = {OUR_DOMAINS}; senders.internal_mark = "X-Ours: yes"',
        "trusted by internal_domains and internal_mark",
    ),
    "senders.block": ('set = senders.block = ["client.example"]', "the sender is blocked by client.example"),
    "senders.allow": (
        'set = senders.block = ["*"]; senders.allow = ["client.example"]',
        "the sender is blocked by *, but allowed by client.example",
    ),
    "senders.blocked": ('set = senders.block = ["*"]; senders.blocked = "ignore"', "ignore: the sender is blocked"),
    "senders.forms": (
        'from = stranger | reply = kim | set = senders.forms = ["else.example"]',
        "named by Reply-To of a mail from stranger@else.example (From fits else.example in senders.forms",
    ),
    "senders.reply_to": (
        'from = noreply@else.example | reply = kim | set = senders.reply_to = "never"',
        "from noreply@else.example, no Redmine user",
    ),
    "senders.customer_field": (
        'set = senders.customer_field = "Customer"; senders.domains."client.example".tracker = "Bug"',
        'custom field Customer "client.example" from the domain client.example',
    ),
    "senders.create.login": ('unknown = create | set = senders.create.login = "local"', "a user kim is created"),
    "senders.create.status": (
        'unknown = create | set = senders.create.status = "registered"',
        "is created (registered",
    ),
    "senders.create.language": ('unknown = create | set = senders.create.language = "de"', "language de"),
    "senders.create.groups": ('unknown = create | set = senders.create.groups = ["Guests"]', "groups: Guests"),
    "senders.create.notice": ('unknown = create | set = senders.create.notice = "own"', "notified by our own mail"),
    "senders.domains.project": (
        'set = senders.domains."client.example".project = "sales"',
        "project sales from the rule for the domain client.example",
    ),
    "senders.domains.tracker": (
        'set = senders.domains."client.example".tracker = "Bug"',
        'tracker "Bug" from the domain client.example',
    ),
    "senders.domains.category": (
        'set = senders.domains."client.example".category = "Network"',
        'category "Network" from the domain client.example',
    ),
    "senders.domains.priority": (
        'set = senders.domains."client.example".priority = "Low"',
        'priority "Low" from the domain client.example',
    ),
    "senders.domains.assignee": (
        'set = senders.domains."client.example".assignee = "round-robin: Helpers"',
        'user 11 of the group "Helpers" has the fewest open issues',
    ),
    "senders.domains.group": (
        'unknown = create | set = senders.domains."client.example".group = "Clients"',
        "groups: Clients",
    ),
    "senders.domains.customer": (
        'set = senders.customer_field = "Customer"; senders.domains."client.example".customer = "Client Ltd"',
        'custom field Customer "Client Ltd"',
    ),
    "rules.name": (f"set = rules = [{RULE}private = true }}]", 'is private "1" from rule "the one"'),
    "rules.sender": (f'set = rules = [{RULE}sender = "client.example" }}]', 'rule "the one" matches'),
    "rules.recipient": (f'set = rules = [{RULE}recipient = "corp.example" }}]', 'rule "the one" matches'),
    "rules.header": (f'headers = X-A: b | set = rules = [{RULE}header.X-A = "b" }}]', 'rule "the one" matches'),
    "rules.subject": (f'set = rules = [{RULE}subject = "fire" }}]', 'rule "the one" matches'),
    "rules.text": (f'set = rules = [{RULE}text = "hello" }}]', 'rule "the one" matches'),
    "rules.larger_than": (f"set = rules = [{RULE}larger_than = 1 }}]", 'rule "the one" matches'),
    "rules.smaller_than": (f'set = rules = [{RULE}smaller_than = "1MB" }}]', 'rule "the one" matches'),
    "rules.has_attachment": (f"files = yes | set = rules = [{RULE}has_attachment = true }}]", 'rule "the one" matches'),
    "rules.action": (f'set = rules = [{RULE}action = "hold" }}]', 'hold: rule "the one" says so'),
    "rules.project": (f'set = rules = [{RULE}project = "sales" }}]', 'project sales from rule "the one"'),
    "rules.tracker": (f'set = rules = [{RULE}tracker = "Bug" }}]', 'tracker "Bug" from rule "the one"'),
    "rules.category": (f'set = rules = [{RULE}category = "Network" }}]', 'category "Network" from rule "the one"'),
    "rules.priority": (f'set = rules = [{RULE}priority = "Low" }}]', 'priority "Low" from rule "the one"'),
    "rules.status": (f'set = rules = [{RULE}status = "New" }}]', 'status "New" from rule "the one"'),
    "rules.assignee": (f'set = rules = [{RULE}assignee = "ben" }}]', 'assigned to "ben" from rule "the one"'),
    "rules.version": (f'set = rules = [{RULE}version = "1.0" }}]', 'fixed version "1.0" from rule "the one"'),
    "rules.parent": (f"set = rules = [{RULE}parent = 10 }}]", 'parent issue "10" from rule "the one"'),
    "rules.private": (f"set = rules = [{RULE}private = true }}]", 'is private "1" from rule "the one"'),
    "rules.start_in": (f'set = rules = [{RULE}start_in = "1d" }}]', 'start date "2026-05-21" from rule "the one"'),
    "rules.due_in": (f'set = rules = [{RULE}due_in = "1d" }}]', 'due date "2026-05-21" from rule "the one"'),
    "rules.custom_fields": (
        f"subject = Order 77 | set = rules = [{RULE}{ORDER}, custom_fields.Order = '{{match.n}}' }}]",
        'custom field Order "77" from rule "the one"',
    ),
    "rules.watchers": (f'set = rules = [{RULE}watchers = ["ben"] }}]', "watchers: 11"),
}


def keys() -> Iterator[str]:
    """Every setting of the route's tables."""
    tables: dict[str, type[BaseModel]] = {
        "": Route,
        "issue.": IssueSettings,
        "senders.": SenderSettings,
        "senders.create.": CreateUser,
        "senders.domains.": DomainRule,
        "rules.": Rule,
    }
    for prefix, table in tables.items():
        yield from (f"{prefix}{name}" for name in table.model_fields if f"{prefix}{name}." not in tables)


ABOUT_NO_MAIL = {"issue.conversations_from_redmine", "issue.bounce_status", "issue.last_answer_field"}
"""What is about issues that no mail created, or about mail that goes out."""


def test_every_setting_is_here() -> None:
    """No setting that decides about mail is missing below."""
    assert sorted(set(keys()) - ABOUT_NO_MAIL) == sorted(SHOWN)


@pytest.mark.parametrize("setting", SHOWN)
def test_shown(setting: str) -> None:
    """Where the setting is at work, `explain` says so; without it, it does not."""
    cells, phrase = SHOWN[setting]
    row = {name.strip(): cell.strip() for name, _, cell in (part.partition("=") for part in cells.split(" | "))}
    assert phrase in "\n".join(as_lines(plan_of(row)))
    bare = {name: "" for name in ("set", "unknown", "trust", "project", "ref") if name in row}
    if setting not in {"issue.watchers_from_mail", "issue.several_mailboxes"}:  # these are on by themselves
        without = {name: cell for name, cell in row.items() if name not in bare}
        assert phrase not in "\n".join(as_lines(plan_of(without)))
