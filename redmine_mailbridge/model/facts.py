"""What a decision knows: the request for facts (FactRequest), and the facts (Facts) about users and issues."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from redmine_mailbridge.model.sender_list import ListedSender
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """The known data of a Redmine user. `status` is active, registered or locked."""

    id: int
    login: str
    name: str
    mail: str = ""
    status: Literal["active", "registered", "locked"] = "active"
    admin: bool = False
    created_on: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldKind:
    """The values of a custom field: its format as Redmine names it ("list", "version"), several values or one, and
    the possible values by label, in lower case (casefold); none if it accepts any, or they are unknown.
    `trackers` are the ids of those whose issues have it; none if unknown. `max_length` is in characters; 0 if it is
    unlimited or unknown.
    """

    format: str
    multiple: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    trackers: frozenset[int] = frozenset()
    max_length: int = 0


@dataclass(frozen=True, slots=True)
class Project:
    """A project and its possible attributes: each mapping is from lower-case name to id.

    `custom_fields` are the issue custom fields that the bridge's key can set; `kinds` are by id the known values
    of these (visible to an admin's key). `members` map login, name,
    mail (if visible) and group name to the id of a possible assignee.
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
class Successor:
    """An issue in which a closed one continues, and why: by Redmine's relation, as one that the closed issue
    `duplicates`, or as its copy (`copied_to`).
    """

    issue: int
    relation: Literal["duplicates", "copied_to"]


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that a message refers to, as visible to the bridge.

    `visible_to_sender`, `noteable_by_sender` and `editable_by_sender` are the permissions of the sender's own user;
    None if the sender is not a user, or if unknown. `participants` are addresses (lower case) that
    participated by mail: requester and Cc; `mailed` those to which the bridge sent mail about it; `third_parties` those
    of suppliers and the like, who do not take part in the conversation with the customer.
    `project_name` and `tracker` are the words in Redmine's own subject tag,
    `created_on` (aware, to the second) is part of its Message-IDs. `mailbox`: the name of the one whose message created
    it, "" if it is not a conversation; `begun`: its conversation began in Redmine, in that mailbox. `newest_journal` is
    the id of the newest entry of its history, 0 if it has none, None if unknown; `noted` the newest that a message had
    created by then. `successors`: where a closed issue continues, as far as the settings follow it.
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
    mailed: frozenset[str] = frozenset()
    third_parties: frozenset[str] = frozenset()
    visible_to_sender: bool | None = None
    noteable_by_sender: bool | None = None
    editable_by_sender: bool | None = None
    project_name: str = ""
    tracker: str = ""
    created_on: dt.datetime | None = None
    mailbox: str = ""
    newest_journal: int | None = None
    noted: int = 0
    begun: bool = False
    successors: tuple[Successor, ...] = ()

    @property
    def public(self) -> bool:
        """Is it public?"""
        return self.project_public and not self.private


@dataclass(frozen=True, slots=True)
class Journal:
    """A note of an issue, which a message answers according to Redmine's own Message-ID."""

    id: int
    issue: int
    private: bool = False
    created_on: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownMail:
    """A message in the store, by its Message-ID: received (in) or sent (out), then with all addresses
    (lower case) that it, or another message of that conversation, was sent to, by the bridge or a participant: who may
    know the id.
    """

    message_id: str
    issue: int | None
    sender: str
    direction: Literal["in", "out"] = "in"
    recipients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FactRequest:
    """The facts that `decide` needs about one message; created by `policy.fact_request`, returned as Facts.

    `sender` is the From address (lower case). `message_ids` are looked up in the store. `issues` are those that the
    message names; those of the known messages, and that of the same subject, are needed as well. `journals`
    are the notes that the message answers, each with the time stamp beside it in Redmine's Message-ID; those that
    belong to none of these issues are searched for. `projects` are identifiers; `issue_projects`: the projects of the
    issues are needed too (keyword lines in a reply). `addresses` and `logins` may be users. `groups` are needed with
    their members and how many open issues each has.
    `anyone`: where any user may create issues. `followed`: the relations by which closed issues are followed.
    `agents`: the addresses of which it must be known in which projects their users are agents.
    """

    sender: str
    message_ids: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()
    journals: tuple[tuple[int, str], ...] = ()
    projects: tuple[str, ...] = ()
    issue_projects: bool = False
    addresses: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    same_subject: bool = False
    anyone: bool = False
    followed: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts for a FactRequest. With `offline` nothing was looked up, and a reference is trusted.

    `users` map lower-case addresses to their user (the sender's among them; missing means that
    there is none). `may_add_issues` contains project identifiers in which the sender's own user may add issues.
    `may_add_watchers` contains those in which that user may add watchers, the issues' projects among them.
    `anyone_may_add` contains those in which every user may, including a new user (role Non member).
    `statuses` map lower-case names to ids in Redmine's order, `closed_statuses` are the ids of closed statuses
    (empty without an issue).
    `same_subject_issue` is the issue of the newest message of the same sender and subject within bundle_window.
    `logins` map lower-case logins to users; `groups` lower-case names to the ids of active members;
    `open_issues` user ids to their number of assigned open issues. `default_language` is Redmine's,
    `keyword_languages` are those of keyword lines besides English. `taken_addresses` (lower case) belong
    to users that Redmine does not show: no user can be created for them.
    `agents` maps project identifiers to those of the addresses asked about whose users may edit issues there.
    `first_sync`: the message was in the mailbox before the first sync; `kept_at` is when it was stored.
    `listed_senders`: what a person has decided about this sender (see policy/sender_list.py).
    `third_party_ids`: those of the message's own id and of those it answers that are of mail to or from third parties.
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
    agents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    logins: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    open_issues: Mapping[int, int] = field(default_factory=dict)
    default_language: str = "en"
    keyword_languages: tuple[str, ...] = ("en",)
    taken_addresses: frozenset[str] = frozenset()
    statuses: Mapping[str, int] = field(default_factory=dict)
    closed_statuses: frozenset[int] = frozenset()
    priorities: Mapping[str, int] = field(default_factory=dict)
    same_subject_issue: int | None = None
    first_sync: bool = False
    kept_at: dt.datetime | None = None
    listed_senders: tuple[ListedSender, ...] = ()
    third_party_ids: frozenset[str] = frozenset()
