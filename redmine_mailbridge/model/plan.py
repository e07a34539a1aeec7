"""What a decision decides: the action, and all that it needs (Plan)."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Literal

from redmine_mailbridge.model.mail import Address, Attachment, LeftOut
from redmine_mailbridge.util.dataclass import dataclass

Vouched = Literal["forwarded", "written"]
"""How an agent's message passes a customer on: it forwards the customer's mail, or is written to the customer."""


class Action(StrEnum):
    """The outcome for a message."""

    CREATE = "create"
    NOTE = "note"
    IGNORE = "ignore"
    REFUSE = "refuse"
    HOLD = "hold"
    JUNK = "junk"


class RejectionReason(StrEnum):
    """The reason of a rejection as sent to the sender. It names no login, project, setting or rule: `Plan.reason`
    does, which is for the operator.
    """

    REPLIES_ONLY = "replies_only"
    UNKNOWN_SENDER = "unknown_sender"
    NOT_ALLOWED = "not_allowed"
    PLACE = "place"
    NOT_ACCEPTED = "not_accepted"


class NotMailed(StrEnum):
    """Why an agent's reply by mail is not sent to the requester, as far as the agent can do something about it."""

    UNPROVEN = "unproven"
    TRUST = "trust"
    NO_ACCESS = "no_access"
    OTHERS_TEXT = "others_text"


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What happens to the note that an agent's reply by mail becomes: it is sent to the requester (`to_requester`), or
    the agent asked for a private note, or it is private because of `not_mailed`, which the address of the agent's
    Redmine account (`account`) is informed of. The last applies to a new issue, too.
    """

    to_requester: bool = False
    not_mailed: NotMailed | None = None
    account: str = ""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be created before the issue is written.

    `send_information` requests Redmine's account mail, `own_notice` the bridge's (template `registration`).
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
    """The attributes of a new issue, or those that a note changes; None means: not set by the bridge.

    Resolved names are ids here; offline the names are in `names` and the ids stay None.
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
    """What will be done with one message, and why. `reason` is one English line for the operator,
    `rejection_reason` the reason that a rejected sender receives in its place; `steps` the lines that led to it.

    `act_as` is the login that writes (None: the bridge's own user). `project` is an identifier, `issue` the
    number of the issue that gets the note. `text` is the description or the note in the configured markup, complete;
    beyond `text_limit` bytes (0: no limit) it is cut before the request, and attached in full.
    `watchers` are user ids added after the write. `marker` is the value for the marker custom field.
    `ending` is the end of `text`, which stays when it is cut; `keyword_lines` are the message's lines behind
    `keywords`. `template` names the auto-reply to the message (received, refused …), None for no reply.
    `through` is the From address, proven or not, if the requester is a person behind it.
    `related_issue` is linked with the new one. `groups` are names of groups that the sender's user joins.
    `machine`: the message is an auto-reply or a delivery report, and counts for neither side. `proven`: the sender is
    proven. `claims`: the sender's address is that of a Redmine user that it may not act as. `unfit`: what the settings
    name for this message and Redmine does not have, or rejects, one line each. `unreached_issue`: the one in which the
    answered issue continues, but to which the sender may not write; its agents are notified. `vouched`: how the agent
    who wrote the message passes the requester on; None for any other message. `agent_reply` is what becomes of an
    agent's reply; None for any other message, and if the settings treat agents' replies like any other.
    `private_by_mail`: the new issue is private because of what the message answers or says, not by the settings.
    `third_party`: the message is from a third party of its issue, who does not take part in the conversation by that.
    """

    action: Action
    reason: str
    steps: tuple[str, ...] = ()
    project: str | None = None
    issue: int | None = None
    requester: Address = Address("", "")
    through: Address | None = None
    through_proven: bool = False
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
    rejection_reason: RejectionReason = RejectionReason.NOT_ACCEPTED
    unfit: tuple[str, ...] = ()
    unreached_issue: int | None = None
    vouched: Vouched | None = None
    agent_reply: AgentReply | None = None
    private_by_mail: bool = False
    third_party: bool = False

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
