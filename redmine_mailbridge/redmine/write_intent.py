"""The intent of a write for a message, stored from before the request is sent until its result is verified."""

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Self

from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.model.plan import Plan, Vouched
from redmine_mailbridge.policy.requested_fields import attribute_of
from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.requests import NO_TEXT, IssueRequest, NoteRequest
from redmine_mailbridge.redmine.size_limits import without_4byte_chars, without_fields
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.fields import fields_of

OPTIONAL_FIELDS = ("assigned_to_id", "fixed_version_id", "category_id", "parent_issue_id", "start_date", "due_date")
"""Attributes that settings may request and an issue can omit if Redmine rejects it."""
KEYWORD_FIELDS = (
    *OPTIONAL_FIELDS,
    "tracker_id",
    "status_id",
    "priority_id",
    "estimated_hours",
    "done_ratio",
    "custom_fields",
)
"""Attributes that keyword lines may request, likewise. Not is_private: a private issue never becomes public."""


@dataclass(frozen=True, slots=True)
class CreatedRecord:
    """The result of a message's request, before its further notes are written: an issue (`created`), or a note on it.
    `again`: its number was used before by an object that is gone.
    """

    issue: int
    journal: int | None
    created: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class KeywordLine:
    """A keyword line of the message, as removed from the text: it sets an attribute, or a custom field by its id."""

    attribute: str
    field: int
    line: str


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """One write to Redmine with its context. It is sent again unchanged, with the same upload tokens.

    `request` is what was, or is being, sent; `earlier` are the forms in which it was sent before, the newest first:
    the result may be any of them. `after` is the newest issue (for a note: the newest journal of its issue) that
    existed before the first of them, so that their result comes after it, and `made` is that issue's creation time, as
    written by Redmine; None in intents of the first version. `again`: results of earlier messages have at most this
    number; if one that comes after has such a number, it belonged to another object, which is gone. `refused`: the last
    form was rejected, after another that may have been executed; `dropped`: with a success, as if its author lacks the
    permission. `wide`: Redmine, or a proxy in front of it, failed on it, possibly because of its 4-byte characters.
    `watchers` are user ids to add afterwards; `participants` are the addresses that participate from now on,
    `named` all addresses in To and Cc of the message: everyone who received it.
    `amendable` are the attributes that the settings request: if Redmine drops them because its author lacks the
    rights, the bridge's own user sets them. Attributes from the sender's keyword lines are not among them.
    `requester` is the requester's display name, `requester_address` the address (lower case) if that is not the sender:
    "" else. `language` is the language of the message ("": unknown).
    `related` is the issue that a new one is linked to. `unreached` is the issue whose agents are notified, since the
    answered issue continues there. `vouched`: how an agent, who wrote the message, passes the requester on.
    `machine`: an auto-reply or a delivery report, which counts for neither side. `proven`: the sender is proven.
    `claims`: the sender's address is that of a Redmine user that the message may not act as. `names` are the names of
    the numbers in attributes. `to_requester`: the note is an agent's reply that is sent to the requester. `unsent`: one
    that is not sent, since the note has only a part of it. `third_party`: the message is from a third
    party of its issue. `decided` is the decision by hand that it carries out, None for none.
    `words` are the keyword lines whose values the request sets. `rest` are the texts of further notes: at first
    those that are known to be needed, and, once `first` holds the request's result, those to be written
    after this one; `request` is such a note then (`further_notes.py`). A text that is longer than `limit` bytes (0:
    unlimited) becomes several notes. `in_file`: a file of the request contains all of its text.
    """

    request: IssueRequest | NoteRequest
    reason: str
    watchers: tuple[int, ...] = ()
    participants: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    amendable: tuple[str, ...] = ()
    pending_replies: PendingReplies = field(default_factory=PendingReplies)
    requester: str = ""
    requester_address: str = ""
    language: str = ""
    related: int | None = None
    unreached: int | None = None
    vouched: Vouched | None = None
    machine: bool = False
    proven: bool = False
    claims: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None
    made: str = ""
    earlier: tuple[IssueRequest | NoteRequest, ...] = ()
    again: int = 0
    refused: bool = False
    dropped: bool = False
    words: tuple[KeywordLine, ...] = ()
    rest: tuple[str, ...] = ()
    limit: int = 0
    in_file: bool = False
    first: CreatedRecord | None = None
    wide: bool = False
    decided: str | None = None
    to_requester: bool = False
    unsent: bool = False
    third_party: bool = False

    @property
    def creates(self) -> bool:
        """Does it create an issue (else: a note)?"""
        return isinstance(self.request, IssueRequest)

    @property
    def issues(self) -> tuple[IssueRequest, ...]:
        """The forms in which it was sent, the newest first, if it creates an issue."""
        return tuple(form for form in (self.request, *self.earlier) if isinstance(form, IssueRequest))

    @property
    def notes(self) -> tuple[NoteRequest, ...]:
        """The forms in which it was sent, the newest first, if it creates a note."""
        return tuple(form for form in (self.request, *self.earlier) if isinstance(form, NoteRequest))

    def without_4byte_chars(self) -> Self:
        """The same without 4-byte UTF-8 characters."""
        if isinstance(self.request, IssueRequest):
            return self._sent_as(without_4byte_chars(self.request))
        return self._sent_as(without_4byte_chars(self.request))

    def _sent_as(self, request: IssueRequest | NoteRequest) -> Self:
        return replace(self, request=request, earlier=(self.request, *self.earlier), wide=False)

    def without_optional_fields(self) -> tuple[Self, tuple[str, ...]] | None:
        """The form to send after Redmine rejects this one: with a text in place of an empty one, which a workflow may
        require; without the values of the sender's keyword lines, then without optional values of the settings.
        Return it with the omitted attributes; None if there are none.
        """
        if isinstance(self.request, IssueRequest) and not str(self.request.attributes.get("description", ".")).strip():
            filled = replace(self.request, attributes={**self.request.attributes, "description": NO_TEXT})
            return self._sent_as(filled), ("an empty text",)
        there = [name for name in KEYWORD_FIELDS if name in self.request.attributes]
        asked = [name for name in there if name not in self.amendable and not self._only_marker(name)]
        left_out = tuple(asked or (name for name in there if name in OPTIONAL_FIELDS))
        if not left_out:
            return None
        amendable = tuple(name for name in self.amendable if name not in left_out)
        if isinstance(self.request, IssueRequest):
            return replace(self._sent_as(without_fields(self.request, left_out)), amendable=amendable), left_out
        return replace(self._sent_as(without_fields(self.request, left_out)), amendable=amendable), left_out

    @property
    def left_out(self) -> tuple[str, ...]:
        """The attributes that it requested at first and no longer does, since Redmine rejected it with them."""
        first = (self.request, *self.earlier)[-1]
        return tuple(name for name in KEYWORD_FIELDS if _asks(first, name) - _asks(self.request, name))

    @property
    def full_reason(self) -> str:
        """The reason for it, and what of it Redmine rejected."""
        without = ", ".join(name.removesuffix("_id").replace("_", " ") for name in self.left_out)
        return f"{self.reason}; without {without}, which Redmine rejected" if without else self.reason

    def _only_marker(self, name: str) -> bool:
        marker = self.request.marker if isinstance(self.request, IssueRequest) else None
        fields = self.request.attributes.get("custom_fields", ())
        return name == "custom_fields" and marker is not None and [marker[0]] == [field["id"] for field in fields]

    @property
    def mark(self) -> IssueMark:
        """The issue that precedes its result."""
        return IssueMark(self.after or 0, self.made)

    def marked(self, mark: IssueMark, claimed: int) -> Self:
        """The same before it is sent, given an existing issue and the newest that a message has created; unchanged if
        it was sent before.
        """
        return self if self.after is not None else replace(self, after=mark.number, made=mark.made, again=claimed)

    def number_again(self, number: int) -> bool:
        """Given its result, was that number used before by another object, which is gone?"""
        return number <= self.again

    def has_made(self, issue: int, journal: int | None) -> CreatedRecord:
        """Given the found issue and history entry, return them as its result."""
        return CreatedRecord(issue, journal, self.creates, self.number_again(journal or issue))

    def then(self, made: CreatedRecord, texts: tuple[str, ...], newest: int) -> Self:
        """Given the request's result, the remaining texts (at least one) and the newest entry of
        the issue's history, return the intent of the first of those notes, which the key's own user writes.
        """
        note = {"notes": texts[0]} | ({"private_notes": True} if self._for_the_team else {})
        request = NoteRequest(made.issue, self.request.project_id, note, own_id=self.request.own_id)
        return replace(
            self, request=request, earlier=(), rest=texts[1:], first=made, after=newest, made="", refused=False,
            dropped=False, wide=False,
        )  # fmt: skip

    @property
    def _for_the_team(self) -> bool:
        return isinstance(self.request, NoteRequest) and self.request.private

    def ended(self, *, dropped: bool = False) -> Self:
        """The same, permanently rejected, or `dropped` with a success: a retry searches for it, and else decides
        again.
        """
        return replace(self, refused=True, dropped=dropped)

    def to_json(self) -> str:
        """The JSON form for the store."""
        return json.dumps(
            {
                "kind": "issue" if self.creates else "note",
                "request": self.request.to_json(),
                "reason": self.reason,
                "watchers": self.watchers,
                "participants": self.participants,
                "named": self.named,
                "amendable": self.amendable,
                "earned": fields_of(self.pending_replies),
                "requester": self.requester,
                "requester_address": self.requester_address,
                "language": self.language,
                "related": self.related,
                "unreached": self.unreached,
                "vouched": self.vouched,
                "machine": self.machine,
                "after": self.after,
                "made": self.made,
                "earlier": [request.to_json() for request in self.earlier],
                "again": self.again,
                "refused": self.refused,
                "dropped": self.dropped,
                "wide": self.wide,
                "decided": self.decided,
                "to_requester": self.to_requester,
                "unsent": self.unsent,
                "third_party": self.third_party,
                "proven": self.proven,
                "claims": self.claims,
                "names": dict(self.names),
                "words": [asdict(word) for word in self.words],
                "rest": self.rest,
                "limit": self.limit,
                "in_file": self.in_file,
                "first": None if self.first is None else asdict(self.first),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Given the result of `to_json`, return the intent."""
        values = json.loads(text)
        kind = IssueRequest if values["kind"] == "issue" else NoteRequest
        return cls(
            request=kind.from_json(values["request"]),
            reason=values["reason"],
            watchers=tuple(values["watchers"]),
            participants=tuple(values["participants"]),
            named=tuple(values.get("named", ())),
            amendable=tuple(values["amendable"]),
            pending_replies=PendingReplies.of(values["earned"]),
            requester_address=values.get("requester_address", ""),
            requester=values.get("requester", ""),  # intents of the first version have none
            language=values.get("language", ""),
            related=values.get("related"),
            unreached=values.get("unreached"),
            vouched=values.get("vouched"),
            machine=values.get("machine", False),
            after=values.get("after"),
            made=values.get("made", ""),
            earlier=tuple(kind.from_json(request) for request in values.get("earlier", ())),
            again=values.get("again", 0),
            refused=values.get("refused", False),
            dropped=values.get("dropped", False),
            wide=values.get("wide", False),
            decided=values.get("decided"),
            to_requester=values.get("to_requester", False),
            unsent=values.get("unsent", False),
            third_party=values.get("third_party", False),
            proven=values.get("proven", False),
            claims=values.get("claims", False),
            names=values.get("names", {}),
            words=tuple(KeywordLine(**word) for word in values.get("words", ())),
            rest=tuple(values.get("rest", ())),
            limit=values.get("limit", 0),
            in_file=values.get("in_file", False),
            first=CreatedRecord(**values["first"]) if values.get("first") else None,
        )


def _asks(request: IssueRequest | NoteRequest, name: str) -> frozenset[str]:
    """Given an attribute, return the values that a request sets: each custom field by its id."""
    if name == "custom_fields":
        return frozenset(str(field["id"]) for field in request.attributes.get(name, ()))
    return frozenset({name} & request.attributes.keys())


def words_of(plan: Plan, project: Project) -> tuple[KeywordLine, ...]:
    """Given a plan and its project, return the keyword lines whose values the plan sets."""
    lines = ((attribute_of(key), project.custom_fields.get(key.lower(), 0), line) for key, line in
             plan.keyword_lines.items())  # fmt: skip
    return tuple(KeywordLine(name or "custom_fields", 0 if name else field, line) for name, field, line in lines)


def from_keywords(plan: Plan) -> set[str]:
    """The attributes set by the sender's own keyword lines: never set with more rights than the sender's."""
    return {attribute_of(key) or "custom_fields" for key in plan.keywords}
