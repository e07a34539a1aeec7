"""A small Redmine and its people, and the reader of the policy tables: one row is one case.

People: anna is an agent (user 5), carl a customer who is a user (6), lena locked (7), rita registered (8), admin (1);
kim and cora are customers without a user, stranger and mallory nobody knows. Issues: see ISSUES.
"""

import datetime as dt
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.model.facts import Facts, FieldKind, Issue, Journal, KnownMail, Project, Successor, User
from redmine_mailbridge.model.mail import (
    Address,
    Attachment,
    Authenticity,
    Automatic,
    AutomaticKind,
    Body,
    Forwarded,
    LeftOut,
    Message,
    SpamVerdict,
)
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.settings.issue import Route

NOW = dt.datetime(2026, 5, 20, 12, 0, tzinfo=dt.UTC)
MADE = dt.datetime(2026, 5, 1, 8, 30, 15, tzinfo=dt.UTC)
SIGNER = Signer(b"a key for the tests only", "test")
PEOPLE = {
    "anna": Address("Anna Agent", "Anna@corp.example"),
    "carl": Address("Carl Client", "carl@client.example"),
    "lena": Address("Lena Locked", "lena@corp.example"),
    "rita": Address("Rita", "rita@client.example"),
    "admin": Address("Root", "admin@corp.example"),
    "kim": Address("Kim Client", "kim@client.example"),
    "cora": Address("Cora", "cora@client.example"),
    "stranger": Address("A Stranger", "stranger@else.example"),
    "mallory": Address("Anna Agent <anna@corp.example>", "mallory@evil.example"),
    "lookalike": Address("Anna Agent", "anna@cоrp.example"),
    "subdomain": Address("Sub", "sub@mail.client.example"),
    "support": Address("Support", "support@corp.example"),
    "sales": Address("Sales", "sales@corp.example"),
    "redmine": Address("Redmine", "redmine@corp.example"),
    "nobody": Address("", ""),
}
USERS = {
    "anna@corp.example": User(5, "anna", "Anna Agent"),
    "carl@client.example": User(6, "carl", "Carl Client"),
    "lena@corp.example": User(7, "lena", "Lena Locked", status="locked"),
    "rita@client.example": User(8, "rita", "Rita", status="registered"),
    "admin@corp.example": User(1, "admin", "Root", admin=True),
    "alerts@corp.example": User(9, "alerts", "Monitoring"),
}
_TRACKERS = {"bug": 1, "support": 2, "feature request": 3}
_MEMBERS = {"anna": 5, "anna agent": 5, "ben": 11, "ben boss": 11, "cleo": 12, "helpers": 40}
_FIELDS = {
    "order": 71,
    "requester": 72,
    "customer": 73,
    "float field": 74,
    "systems": 75,
    "urgent": 76,
    "release": 77,
    "wish": 78,
}
_KINDS = {
    74: FieldKind("float"),
    75: FieldKind("list", multiple=True, options={"mail": "Mail", "web, shop": "Web, shop", "web": "Web"}),
    76: FieldKind("bool"),
    77: FieldKind("version"),
    78: FieldKind("string", trackers=frozenset({3})),
}
PROJECTS = {
    "support": Project(1, "support", "Support desk", trackers=_TRACKERS, categories={"printing": 21, "network": 22},
                       versions={"1.0": 31, "alpha": 32}, custom_fields=_FIELDS, members=_MEMBERS, kinds=_KINDS),
    "sales": Project(2, "sales", "Sales", trackers=_TRACKERS, members=_MEMBERS, categories={"offers": 25}),
    "secret": Project(3, "secret", "Secret", public=False, trackers=_TRACKERS, members=_MEMBERS),
    "old": Project(4, "old", "Old", active=False),
    "wiki": Project(5, "wiki", "Wiki", issue_tracking=False),
}  # fmt: skip
_TAKE_PART = frozenset({"kim@client.example", "cora@client.example"})


def closed(number: int, **continues: int) -> Issue:
    """A closed issue of kim and cora, and the relation by which it continues elsewhere."""
    successors = tuple(Successor(to, relation) for relation, to in continues.items())  # type: ignore[arg-type]  # a literal
    return Issue(number, "support", "Also done", "Closed", closed=True, closed_on=NOW - dt.timedelta(days=3),
                 participants=_TAKE_PART, successors=successors)  # fmt: skip


ISSUES = {
    10: Issue(10, "support", "Printer", "New", participants=_TAKE_PART, author_id=99, project_name="Support desk",
              tracker="Bug", created_on=MADE),
    11: Issue(11, "support", "Anna's own", "New", author_id=5, watcher_ids=frozenset({6})),
    20: Issue(20, "secret", "Merger", "New", project_public=False, participants=_TAKE_PART, author_id=99,
              assigned_to_id=5, watcher_ids=frozenset({6}), project_name="Secret", tracker="Bug", created_on=MADE),
    30: Issue(30, "support", "Done", "Closed", closed=True, closed_on=NOW - dt.timedelta(days=3),
              participants=_TAKE_PART),
    40: Issue(40, "old", "Past", project_active=False, participants=_TAKE_PART),
    50: Issue(50, "support", "Private one", private=True, participants=_TAKE_PART, created_on=MADE),
    60: closed(60, duplicates=10),
    61: closed(61, duplicates=20),
    62: closed(62, duplicates=11),
    63: closed(63, copied_to=11),
    64: closed(64, duplicates=62),
    65: closed(65, duplicates=66),
    66: closed(66, duplicates=65),
    67: replace(closed(67), successors=(Successor(30, "duplicates"), Successor(10, "duplicates"))),
    68: closed(68, copied_to=20),
    69: replace(closed(69, duplicates=10), participants=frozenset({"stranger@else.example"})),
    70: closed(70, duplicates=404),
    71: closed(71, duplicates=64),
}  # fmt: skip
JOURNALS = {7: Journal(7, 10, created_on=MADE), 8: Journal(8, 10, private=True, created_on=MADE), 9: Journal(9, 20)}
STATUSES = {"new": 1, "in progress": 2, "resolved": 3, "closed": 5}
PRIORITIES = {"low": 4, "normal": 5, "high": 6, "urgent": 7}
STAMP = f"{MADE:%Y%m%d%H%M%S}"


@dataclass
class Signs:
    """What the cell "ref" means: Message-IDs, words of subject and body, known mails, the bundled issue."""

    ids: list[str] = field(default_factory=list)
    subject: str = ""
    body: str = ""
    known: dict[str, KnownMail] = field(default_factory=dict)
    bundle: int | None = None


_IDS: dict[str, Callable[[int], str]] = {
    "signed": lambda n: SIGNER.message_id("answer", n, "5", "corp.example"),
    "escalation": lambda n: SIGNER.message_id("escalation", n, "5", "corp.example"),
    "third": lambda n: SIGNER.message_id("third_party", n, "j5", "corp.example"),
    "relayed": lambda n: SIGNER.message_id("answer", n, "5", "some-relay.example"),
    "forged": lambda n: SIGNER.message_id("answer", 1, "5", "corp.example").replace("answer.1.", f"answer.{n}."),
    "elsewhere": lambda n: Signer(SIGNER.key, "prod").message_id("answer", n, "5", "corp.example"),
    "known": lambda n: f"known-{n}@client.example",
    "sent": lambda n: f"sent-{n}@client.example",
    "redmine": lambda n: f"redmine.issue-{n}.20200101000000.5@corp.example",
    "timed": lambda n: f"redmine.issue-{n}.{STAMP}.5@any.example",
    "journal": lambda n: f"redmine.journal-{n}.20200101000000.5@corp.example",
    "timed-journal": lambda n: f"redmine.journal-{n}.{STAMP}@corp.example",
    "news": lambda n: f"redmine.news-{n}.{STAMP}@corp.example",
    "unknown": lambda _: "never-seen@else.example",
}


def references(cell: str) -> Signs:
    """Given the cell "ref", return what it means. Words that are no kind of id are a tag in the subject."""
    signs = Signs()
    for one in cell.split():
        kind, _, text = one.partition(":")
        number = int(text) if text.isdecimal() else 0
        if kind in _IDS:
            signs.ids.append(_IDS[kind](number))
        elif kind == "marker":
            signs.body += f"\n> {SIGNER.marker(number)}"
        elif kind == "bad-marker":
            signs.body += "\n> " + SIGNER.marker(1).replace("mbz1z", f"mbz{number}z")
        elif kind == "bundle":
            signs.bundle = number
        else:
            signs.subject += f"[#{number}] " if kind == "tag" else f"[{kind.replace('_', ' ')} #{text}] "
        if kind in {"known", "sent"}:
            way = "in" if kind == "known" else "out"
            key = signs.ids[-1]
            signs.known[key] = KnownMail(key, number or None, "kim@client.example", way)
    return signs


def addresses(cell: str) -> tuple[Address, ...]:
    """Given names of PEOPLE or bare addresses, return addresses."""
    return tuple(PEOPLE.get(name) or Address("", name) for name in cell.replace(",", " ").split())


def message(row: Mapping[str, str]) -> Message:
    """Given a row, return its mail."""
    signs = references(row.get("ref", ""))
    ids, tag, quoted = tuple(signs.ids), signs.subject, signs.body
    sender = PEOPLE.get(row.get("from", "kim")) or Address("", row["from"])
    text = row.get("text", "Hello").replace("\\n", "\n")
    kind = AutomaticKind(row["kind"]) if row.get("kind") else None
    machine = kind in {AutomaticKind.AUTO_REPLY, AutomaticKind.BOUNCE}
    headers = tuple(tuple(h.split(": ", 1)) for h in row.get("headers", "").split("; ") if h)
    verdict = row.get("auth", "unknown")
    empty = Attachment("scan.pdf", "application/pdf", 10, "00", inline=False, chunks=lambda: iter([b"x"]))
    return Message(
        message_id="mail-1@client.example",
        message_id_made=False,
        subject=tag + row.get("subject", "Printer is on fire"),
        sender=sender,
        content_key="k1",
        size=int(row.get("size", "2000")),
        from_all=addresses(row.get("from_all", "")) or (sender,) * bool(sender.address),
        reply_to=addresses(row.get("reply", "")),
        original_from=addresses(row.get("original", "")),
        to=addresses(row.get("to", "support")),
        cc=addresses(row.get("cc", "")),
        bcc=addresses(row.get("bcc", "")),
        recipients_of_record=tuple(row.get("delivered", "").split()),
        in_reply_to=ids[:1],
        references=tuple(reversed(ids[1:])),
        date=NOW - dt.timedelta(hours=1),
        importance=row.get("importance", "normal"),
        headers=headers,
        body=Body(text, quoted, text + quoted, "text"),
        attachments=(empty,) if row.get("files") == "yes" else (),
        left_out=(LeftOut("virus.exe", "refused"),) if row.get("files") == "left out" else (),
        automatic=Automatic(kind, "a header", answerable=not machine, may_change_status=not machine),
        spam=SpamVerdict(row.get("spam") == "yes", "X-Spam-Flag: YES" if row.get("spam") == "yes" else ""),
        authenticity=Authenticity(verdict, "dmarc" if verdict != "unknown" else ""),
        forwarded=Forwarded(PEOPLE[row["forwards"]]) if row.get("forwards") else None,
    )


def route_of(cell: str, row: Mapping[str, str]) -> Route:
    """Given settings as TOML, `;` between lines, return the route; bare keys belong to the table issue."""
    given: dict[str, Any] = tomllib.loads("\n".join(part.strip() for part in cell.split(";")))
    whole = {key: given.pop(key) for key in ("senders", "rules", "accept_automatic") if key in given}
    issue = given.pop("issue", {})
    issue |= {"project": row.get("project", "support"), "trust": row.get("trust", "authenticated")}
    issue |= {"unknown_sender": row.get("unknown", "accept")} | given
    if issue["project"] == "-":
        del issue["project"]
    if isinstance(issue.get("rules"), list):
        whole["rules"] = issue.pop("rules")
    return Route(issue=issue, **whole)


def facts(row: Mapping[str, str]) -> Facts:
    """Given a row, return what is known."""
    signs = references(row.get("ref", ""))
    yes = {"yes": True, "no": False}
    sees, notes, edits = (yes.get(row.get(key, "-")) for key in ("sees", "notes", "edits"))
    issues = {
        n: replace(i, visible_to_sender=sees, noteable_by_sender=notes, editable_by_sender=edits)
        for n, i in ISSUES.items()
    }
    if "made" in row:
        issues = {n: replace(i, mailbox=row["made"]) for n, i in issues.items()}
    mailed = frozenset(one.key for one in addresses(row.get("mailed", "")))
    issues = {n: replace(i, mailed=mailed) for n, i in issues.items()}
    return Facts(
        now=NOW,
        offline=row.get("offline") == "yes",
        keyword_languages=("de",),
        can_impersonate=row.get("key", "admin") == "admin",
        users=USERS,
        known=signs.known,
        issues=issues,
        journals=JOURNALS,
        projects=PROJECTS,
        may_add_issues=frozenset(row.get("may", "support sales").split()),
        may_add_watchers=frozenset(row.get("watch", "support sales").split()),
        anyone_may_add=frozenset(row.get("anyone", "support").split()),
        agents={name: frozenset(row.get("agents", "anna@corp.example").split()) for name in ("support", "sales")},
        logins={"taken": User(33, "taken", "T"), "desk": User(34, "desk", "Desk"), "ben": User(11, "ben", "Ben")},
        groups={"helpers": (5, 11, 12), "outsiders": (90,)},
        open_issues={5: 4, 11: 2, 12: 2},
        statuses=STATUSES,
        closed_statuses=frozenset({5}),
        priorities=PRIORITIES,
        same_subject_issue=signs.bundle,
        first_sync=row.get("first") == "yes",
    )


NEIGHBOURS = {
    "sales": Route(
        issue={"project": "sales", "trust": "any", "allow_override": "all", "keywords_from": "anyone",
               "check_permissions": False, "signed_references": "anyone", "unknown_sender": "create"}
    ),
    "closed": Route(
        issue={"project": "secret", "unknown_sender": "refuse", "signed_references": "participants"},
        senders={"block": ["*"], "allow": ["corp.example", "client.example"], "failed_authentication": "refuse"},
    ),
}  # fmt: skip


def identity(row: Mapping[str, str]) -> MailboxIdentity:
    """Given a row, return the mailbox it was read from: support, or the one in the cell "box".

    Its neighbours: sales believes anybody and lets him do what he likes, closed is as strict as can be.
    """
    names = {"support": "support", "help": "support", "sales": "sales", "closed": "closed"}
    ours = {f"{name}@corp.example": box for name, box in names.items()}
    box = row.get("box", "support")
    redmine, sent = frozenset({"redmine@corp.example"}), frozenset({"received", "refused"})
    return MailboxIdentity(box, f"{box}@corp.example", ours, NEIGHBOURS, redmine, SIGNER, auto_replies=sent)


def plan_of(row: Mapping[str, str]) -> Plan:
    """Given a row, return the plan that `decide` makes of it."""
    return decide(message(row), route_of(row.get("set", ""), row), identity(row), facts(row))


def short(plan: Plan) -> str:
    """A plan as the tables write it: "create PROJECT LOGIN", "note NUMBER LOGIN" ("-": the bridge's own user)."""
    if plan.action == "create":
        return f"create {plan.project or '?'} {plan.act_as or '-'}"
    if plan.action == "note":
        return f"note {plan.issue} {plan.act_as or '-'}"
    return plan.action.value + (f" {plan.issue}" if plan.issue else "")


def detail(plan: Plan, key: str) -> str:  # noqa: PLR0911 - one a kind of detail
    """Given a name in the column "got", return that detail of the plan as text."""
    match key:
        case "text" | "steps" | "unfit":
            return plan.text if key == "text" else " / ".join(getattr(plan, key))
        case "user":
            return "" if plan.new_user is None else plan.new_user.login
        case "related" | "private" | "files":
            return str(
                {"related": plan.related_issue, "private": plan.private_note, "files": len(plan.attachments)}[key]
            )
        case "requester":
            return plan.requester.address
        case "watchers" | "template" | "groups" | "machine" | "unreached_issue" | "vouched":
            return str(getattr(plan, key))
        case _ if key.startswith("cf"):
            return str(dict(plan.fields.custom_fields).get(int(key[2:])))
        case _ if key.startswith("user."):
            return str(getattr(plan.new_user, key[5:]))
        case _:
            return str(getattr(plan.fields, key))


def rows(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Given the folder of tables, yield name and cells of every row. Columns stand in the line that begins "is";
    a line that begins with # is a remark, an empty line ends a table.
    """
    for file in sorted(folder.glob("*.txt")):
        columns: list[str] = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            cells = [cell.strip() for cell in line.split("|")]
            if not line.strip() or line.startswith("#"):
                columns = [] if not line.strip() else columns
            elif not columns:
                assert cells[0] == "is", f"{file.name}:{number} begins no table"
                columns = cells
            else:
                assert len(columns) >= len(cells), f"{file.name}:{number} has too many cells"
                given = dict(zip(columns, cells, strict=False))
                yield f"{file.stem}:{number}", {key: cell for key, cell in given.items() if cell}
