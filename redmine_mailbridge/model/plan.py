"""The values of the decision: what is asked (Needs), what is known (Facts), what will be done (Plan)."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from redmine_mailbridge.model.mail import Address, Attachment, LeftOut


class Action(StrEnum):
    """What becomes of a mail."""

    CREATE = "create"
    NOTE = "note"
    IGNORE = "ignore"
    REFUSE = "refuse"
    HOLD = "hold"


class Told(StrEnum):
    """What the writer of a refused mail is told of why. It names no login, project, setting or rule: `Plan.reason`
    does, which is the operator's.
    """

    REPLIES_ONLY = "replies_only"
    UNKNOWN_SENDER = "unknown_sender"
    NOT_ALLOWED = "not_allowed"
    PLACE = "place"
    NOT_ACCEPTED = "not_accepted"


@dataclass(frozen=True, slots=True)
class User:
    """A Redmine user as far as it is known. `status` is active, registered or locked."""

    id: int
    login: str
    name: str
    mail: str = ""
    status: Literal["active", "registered", "locked"] = "active"
    admin: bool = False
    language: str = ""
    created_on: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What a custom field takes: its format as Redmine names it ("list", "version"), several values or one, and
    those it takes by what people call them, in lower case (casefold); none when it takes any, or nobody can tell.
    `trackers` are the ids of those whose issues have it; none when nobody can tell.
    """

    format: str
    multiple: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    trackers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Project:
    """A project and what its issues may hold: each mapping goes from lower-case name to id.

    `custom_fields` are the issue custom fields that the bridge's key can set; `kinds` tells by id what those take of
    which that is known (to an admin's key). `members` go from login, name,
    mail (where visible) and group name to the id that may be assigned.
    """

    id: int
    identifier: str
    name: str
    public: bool = True
    active: bool = True
    issue_tracking: bool = True
    trackers: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    custom_fields: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[int, FieldKind] = field(default_factory=dict)

    def fields_of(self, tracker: str | None) -> tuple[str, ...]:
        """Given a tracker by name or id (None: the first), return the names of the custom fields of its issues."""
        number = next(iter(self.trackers.values()), 0) if tracker is None else self.trackers.get(tracker.lower(), 0)
        if tracker is not None and not number:
            number = int(tracker) if tracker.isdecimal() and len(tracker) < 11 else 0
        kinds = {name: self.kinds.get(field_id) for name, field_id in self.custom_fields.items()}
        return tuple(
            name for name, kind in kinds.items() if kind is None or not kind.trackers or number in kind.trackers
        )


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that a mail refers to, as Redmine shows it to the bridge.

    `visible_to_sender`, `noteable_by_sender` and `editable_by_sender` say what Redmine lets the sender's own user
    do; None when the sender is no user, or when nobody can tell. `participants` are addresses (lower case) that
    took part by mail: requester and Cc. `project_name` and `tracker` are the words that Redmine's own subject tag
    holds, `created_on` (aware, to the second) stands in its Message-IDs. `mailbox`: the name of the one whose mail made
    it, "" when none did. `newest_journal` is the id of the newest entry of its history, 0 when it has none, None when
    that is not known; `noted` the newest that a mail had made by then.
    """

    id: int
    project: str
    subject: str
    status: str = ""
    closed: bool = False
    private: bool = False
    project_public: bool = True
    project_active: bool = True
    closed_on: dt.datetime | None = None
    author_id: int | None = None
    assigned_to_id: int | None = None
    watcher_ids: frozenset[int] = frozenset()
    participants: frozenset[str] = frozenset()
    visible_to_sender: bool | None = None
    noteable_by_sender: bool | None = None
    editable_by_sender: bool | None = None
    project_name: str = ""
    tracker: str = ""
    created_on: dt.datetime | None = None
    mailbox: str = ""
    newest_journal: int | None = None
    noted: int = 0

    @property
    def public(self) -> bool:
        """May anybody see it?"""
        return self.project_public and not self.private


@dataclass(frozen=True, slots=True)
class Journal:
    """A note of an issue, to which a mail answers by Redmine's own Message-ID."""

    id: int
    issue: int
    private: bool = False
    created_on: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownMail:
    """A mail that the store remembers by its Message-ID: seen by us (in) or sent by us (out), then with all addresses
    (lower case) that it, or another mail of that conversation, was sent to, by us or by who answered: who may know it.
    """

    message_id: str
    issue: int | None
    sender: str
    direction: Literal["in", "out"] = "in"
    recipients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Needs:
    """What `decide` wants to know about one message; made by `policy.fact_request`, answered as Facts.

    `sender` is the From address (lower case). `message_ids` are asked of the store. `issues` are those that the
    mail names; those that the known mails belong to, and that of the same subject, are wanted as well. `journals`
    are the notes that the mail answers, each with the time stamp beside it in Redmine's Message-ID; those that are
    none of these issues' are looked for. `language`: that of the sender, for keyword lines. `projects` are
    identifiers; `issue_projects` says that the projects of the issues are wanted too (keyword lines on a reply).
    `addresses` and `logins` may be users. `groups` are wanted with their members and how many open issues each has.
    `anyone`: where anybody may make issues.
    """

    sender: str
    message_ids: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()
    journals: tuple[tuple[int, str], ...] = ()
    language: bool = False
    projects: tuple[str, ...] = ()
    issue_projects: bool = False
    addresses: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    same_subject: bool = False
    anyone: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers to Needs. With `offline` nothing was asked, and a reference is taken at its word.

    `users` go from lower-case address to the user that owns it (the sender's among them; missing means that
    nobody does). `may_add_issues` holds project identifiers in which the sender's own user may add issues.
    `may_add_watchers` holds those in which that user may name watchers, the issues' projects among them.
    `anyone_may_add` holds those in which every user may, a new one too (role Non member).
    `statuses` go from lower-case name to id in Redmine's order, `closed_statuses` hold the ids that close an issue
    (none where there is no issue).
    `same_subject_issue` is the issue of the newest mail of the same sender and subject within bundle_window.
    `logins` go from lower-case login to user; `groups` from lower-case name to the ids of active members;
    `open_issues` from user id to how many open issues the user has in hand. `default_language` is Redmine's.
    `first_sync` says that the mail lay in the mailbox before the bridge first came; `kept_at` when it was kept.
    """

    now: dt.datetime
    offline: bool = False
    can_impersonate: bool = False
    users: Mapping[str, User] = field(default_factory=dict)
    known: Mapping[str, KnownMail] = field(default_factory=dict)
    issues: Mapping[int, Issue] = field(default_factory=dict)
    projects: Mapping[str, Project] = field(default_factory=dict)
    journals: Mapping[int, Journal] = field(default_factory=dict)
    may_add_issues: frozenset[str] = frozenset()
    may_add_watchers: frozenset[str] = frozenset()
    anyone_may_add: frozenset[str] = frozenset()
    logins: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    open_issues: Mapping[int, int] = field(default_factory=dict)
    default_language: str = "en"
    statuses: Mapping[str, int] = field(default_factory=dict)
    closed_statuses: frozenset[int] = frozenset()
    priorities: Mapping[str, int] = field(default_factory=dict)
    same_subject_issue: int | None = None
    first_sync: bool = False
    kept_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made before the issue is written.

    `send_information` asks Redmine for its account mail, `own_notice` asks us for ours (template `registration`).
    """

    login: str
    firstname: str
    lastname: str
    mail: str
    language: str = ""
    status: Literal["active", "registered", "locked"] = "active"
    send_information: bool = False
    own_notice: bool = False


@dataclass(frozen=True, slots=True)
class IssueFields:
    """The attributes of a new issue, or those that a note changes; None means: not set by us.

    Where the names were resolved, ids stand here; offline the names stand in `names` and the ids stay None.
    Dates are calendar dates; `estimated_hours` in hours; `done_ratio` in per cent.
    """

    subject: str | None = None
    tracker_id: int | None = None
    status_id: int | None = None
    priority_id: int | None = None
    category_id: int | None = None
    assigned_to_id: int | None = None
    fixed_version_id: int | None = None
    parent_issue_id: int | None = None
    is_private: bool | None = None
    start_date: dt.date | None = None
    due_date: dt.date | None = None
    estimated_hours: float | None = None
    done_ratio: int | None = None
    custom_fields: tuple[tuple[int, str | tuple[str, ...]], ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with one mail, and why. `reason` is one English line for the operator, `told` what the writer
    of a refused mail is told in its place; `steps` the lines that led to it.

    `act_as` is the login that writes (None: the bridge's own user). `project` is an identifier, `issue` the
    number that a note goes to. `text` is the description or the note in the configured markup, complete; what
    goes over `text_limit` bytes (0: none) of it is cut on the way, and the whole attached.
    `watchers` are user ids added after the write. `marker` is the value for the marker custom field.
    `ending` is the end of `text`, which stays when it is cut; `keyword_lines` are the mail's lines behind `keywords`.
    `template` names the kind of answer that the mail earns (received, refused …), None for no answer.
    `related_issue` is linked with the new one. `groups` are names of groups that the sender's user joins.
    `machine`: the mail is an automatic reply or a delivery report, and speaks for nobody. `proven`: something proves
    who wrote it. `claims`: it bears the address of a Redmine user that it may not act as. `unfit`: what the settings
    name for this mail and Redmine does not have, or does not take, as it is now, one line each.
    """

    action: Action
    reason: str
    steps: tuple[str, ...] = ()
    project: str | None = None
    issue: int | None = None
    requester: Address = Address("", "")
    act_as: str | None = None
    new_user: NewUser | None = None
    fields: IssueFields = IssueFields()
    text: str = ""
    text_limit: int = 0
    ending: str = ""
    quoted: str = ""
    private_note: bool = False
    attachments: tuple[Attachment, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    watchers: tuple[int, ...] = ()
    keywords: Mapping[str, str] = field(default_factory=dict)
    keyword_lines: Mapping[str, str] = field(default_factory=dict)
    marker: str | None = None
    template: str | None = None
    related_issue: int | None = None
    groups: tuple[str, ...] = ()
    machine: bool = False
    proven: bool = False
    claims: bool = False
    told: Told = Told.NOT_ACCEPTED
    unfit: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One English line."""
        match self.action:
            case Action.CREATE:
                what = f"new issue in {self.project}"
            case Action.NOTE:
                what = f"note on #{self.issue}"
            case _:
                what = self.action.value
        who = f" as {self.act_as}" if self.act_as else ""
        return f"{what}{who}: {self.reason}"
