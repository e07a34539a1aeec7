"""What is being written for a mail, as the store keeps it from before the request is sent until it is proven."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from redmine_mailbridge.model.pending_replies import Earned
from redmine_mailbridge.model.plan import Plan, Project
from redmine_mailbridge.policy.issue_fields import attribute_of
from redmine_mailbridge.redmine.newest import Mark
from redmine_mailbridge.redmine.requests import NO_TEXT, IssueRequest, NoteRequest
from redmine_mailbridge.redmine.size_limits import narrowed, softened

SPARED = ("assigned_to_id", "fixed_version_id", "category_id", "parent_issue_id", "start_date", "due_date")
"""What the settings may ask for and an issue can do without, where Redmine refuses it."""
ASKED = (*SPARED, "tracker_id", "status_id", "priority_id", "estimated_hours", "done_ratio", "custom_fields")
"""What keyword lines may ask for, likewise. Not is_private: what is to be private never becomes public."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the request of a mail has made, before its further notes are written: an issue (`created`), or a note on it.
    `again`: it bears the number of another that is gone.
    """

    issue: int
    journal: int | None
    created: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword line of the mail, as it was taken out of the text: it sets an attribute, a custom field by its id."""

    attribute: str
    field: int
    line: str


@dataclass(frozen=True, slots=True)
class Job:
    """One write to Redmine with what belongs to it. It is sent again unchanged, with the same upload tokens.

    `request` is what was, or is being, sent; `earlier` are the forms in which it was sent before, the newest first:
    what is there may be any of them. `after` is the newest issue (for a note: the newest journal of its issue) that was
    there before the first of them, so that what they made comes after it, and `made` when that issue was made, as
    Redmine wrote it; None in jobs of the first version. `again`: what mails had made before bears this number at most;
    where one that comes after bears such a number, it is another one's, which is gone. `refused`: the last form was
    refused, after another that may have been carried out; `dropped`: with a success, as of who may not write there.
    `wide`: Redmine, or a proxy before it, failed on it, maybe for its characters of 4 bytes.
    `watchers` are user ids to add afterwards; `participants` are the addresses that take part from now on,
    `named` all that the mail bears in To and Cc: whoever got it.
    `amendable` are the attributes that the settings ask for: where Redmine drops them for want of the writer's
    rights, the bridge's own user sets them. What a sender asked for by keyword lines is not among them.
    `requester` is the name that the mail's sender bears. `related` is the issue that a new one is linked to.
    `machine`: an automatic reply or a delivery report, which is nobody's word. `proven`: something proves who wrote the
    mail. `claims`: it bears the address of a Redmine user that it may not act as. `names` are the names behind the
    numbers of attributes.
    `words` are the keyword lines that the request sets something by. `rest` are the texts of further notes: at first
    those that are known to be needed, and, once `first` tells what the request has made, those that are to be written
    after this one; `request` is such a note then (`further.py`). A text that is longer than `limit` bytes (0: any) is
    more than one note. `in_file`: a file of the request holds the whole of its text.
    """

    request: IssueRequest | NoteRequest
    reason: str
    watchers: tuple[int, ...] = ()
    participants: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    amendable: tuple[str, ...] = ()
    earned: Earned = field(default_factory=Earned)
    requester: str = ""
    related: int | None = None
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
    words: tuple[Word, ...] = ()
    rest: tuple[str, ...] = ()
    limit: int = 0
    in_file: bool = False
    first: Made | None = None
    wide: bool = False

    @property
    def creates(self) -> bool:
        """Does it make an issue (else: a note)?"""
        return isinstance(self.request, IssueRequest)

    @property
    def issues(self) -> tuple[IssueRequest, ...]:
        """The forms in which it was sent, the newest first, where it makes an issue."""
        return tuple(form for form in (self.request, *self.earlier) if isinstance(form, IssueRequest))

    @property
    def notes(self) -> tuple[NoteRequest, ...]:
        """The forms in which it was sent, the newest first, where it makes a note."""
        return tuple(form for form in (self.request, *self.earlier) if isinstance(form, NoteRequest))

    def narrowed(self) -> Self:
        """The same without characters that take 4 bytes in UTF-8."""
        if isinstance(self.request, IssueRequest):
            return self._sent_as(narrowed(self.request))
        return self._sent_as(narrowed(self.request))

    def _sent_as(self, request: IssueRequest | NoteRequest) -> Self:
        return replace(self, request=request, earlier=(self.request, *self.earlier), wide=False)

    def softer(self) -> tuple[Self, tuple[str, ...]] | None:
        """What is sent when Redmine refuses it: with words in place of no text, which a workflow may demand; without
        what the sender's keyword lines ask for, then without what the settings ask for and an issue can do without.
        Return it with the attributes left out; None when there are none.
        """
        if isinstance(self.request, IssueRequest) and not str(self.request.attributes.get("description", ".")).strip():
            filled = replace(self.request, attributes={**self.request.attributes, "description": NO_TEXT})
            return self._sent_as(filled), ("an empty text",)
        there = [name for name in ASKED if name in self.request.attributes]
        asked = [name for name in there if name not in self.amendable and not self._only_marker(name)]
        left_out = tuple(asked or (name for name in there if name in SPARED))
        if not left_out:
            return None
        amendable = tuple(name for name in self.amendable if name not in left_out)
        if isinstance(self.request, IssueRequest):
            return replace(self._sent_as(softened(self.request, left_out)), amendable=amendable), left_out
        return replace(self._sent_as(softened(self.request, left_out)), amendable=amendable), left_out

    @property
    def left_out(self) -> tuple[str, ...]:
        """The attributes that it asked for at first and asks for no more, as Redmine refused it with them."""
        first = (self.request, *self.earlier)[-1]
        return tuple(name for name in ASKED if _asks(first, name) - _asks(self.request, name))

    @property
    def told(self) -> str:
        """Why it was done, and what of that Redmine refused."""
        without = ", ".join(name.removesuffix("_id").replace("_", " ") for name in self.left_out)
        return f"{self.reason}; without {without}, which Redmine refused" if without else self.reason

    def _only_marker(self, name: str) -> bool:
        marker = self.request.marker if isinstance(self.request, IssueRequest) else None
        fields = self.request.attributes.get("custom_fields", ())
        return name == "custom_fields" and marker is not None and [marker[0]] == [one["id"] for one in fields]

    @property
    def mark(self) -> Mark:
        """The issue that every one comes after that it has made."""
        return Mark(self.after or 0, self.made)

    def marked(self, mark: Mark, claimed: int) -> Self:
        """The same before it is sent, given an issue that is there and the newest that a mail has made; unchanged when
        it was sent before.
        """
        return self if self.after is not None else replace(self, after=mark.number, made=mark.made, again=claimed)

    def number_again(self, number: int) -> bool:
        """Given what it has made, was that number another one's before, which is gone?"""
        return number <= self.again

    def has_made(self, issue: int, journal: int | None) -> Made:
        """Given the issue and the entry of its history that are there, return that as what this has made."""
        return Made(issue, journal, self.creates, self.number_again(journal or issue))

    def then(self, made: Made, texts: tuple[str, ...], newest: int) -> Self:
        """Given what the request has made, the texts that are still to be noted (one at least) and the newest entry of
        the issue's history, return the job of the first of those notes, which the key's own user writes.
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
        """The same, refused for good, or `dropped` with a success: whoever tries again looks for it, and else decides
        anew.
        """
        return replace(self, refused=True, dropped=dropped)

    def to_json(self) -> str:
        """One line for the store."""
        return json.dumps(
            {
                "kind": "issue" if self.creates else "note",
                "request": self.request.to_json(),
                "reason": self.reason,
                "watchers": self.watchers,
                "participants": self.participants,
                "named": self.named,
                "amendable": self.amendable,
                "earned": asdict(self.earned),
                "requester": self.requester,
                "related": self.related,
                "machine": self.machine,
                "after": self.after,
                "made": self.made,
                "earlier": [request.to_json() for request in self.earlier],
                "again": self.again,
                "refused": self.refused,
                "dropped": self.dropped,
                "wide": self.wide,
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
        """Given what `to_json` made, return the job."""
        found = json.loads(text)
        kind = IssueRequest if found["kind"] == "issue" else NoteRequest
        return cls(
            request=kind.from_json(found["request"]),
            reason=found["reason"],
            watchers=tuple(found["watchers"]),
            participants=tuple(found["participants"]),
            named=tuple(found.get("named", ())),
            amendable=tuple(found["amendable"]),
            earned=Earned.of(found["earned"]),
            requester=found.get("requester", ""),  # jobs of the first version have none
            related=found.get("related"),
            machine=found.get("machine", False),
            after=found.get("after"),
            made=found.get("made", ""),
            earlier=tuple(kind.from_json(request) for request in found.get("earlier", ())),
            again=found.get("again", 0),
            refused=found.get("refused", False),
            dropped=found.get("dropped", False),
            wide=found.get("wide", False),
            proven=found.get("proven", False),
            claims=found.get("claims", False),
            names=found.get("names", {}),
            words=tuple(Word(**word) for word in found.get("words", ())),
            rest=tuple(found.get("rest", ())),
            limit=found.get("limit", 0),
            in_file=found.get("in_file", False),
            first=Made(**found["first"]) if found.get("first") else None,
        )


def _asks(request: IssueRequest | NoteRequest, name: str) -> frozenset[str]:
    """Given an attribute, return what a request asks of it: each custom field by its id."""
    if name == "custom_fields":
        return frozenset(str(one["id"]) for one in request.attributes.get(name, ()))
    return frozenset({name} & request.attributes.keys())


def words_of(plan: Plan, project: Project) -> tuple[Word, ...]:
    """Given a plan and its project, return the keyword lines by which the plan sets something."""
    found = ((attribute_of(key), project.custom_fields.get(key.lower(), 0), line) for key, line in
             plan.keyword_lines.items())  # fmt: skip
    return tuple(Word(name or "custom_fields", 0 if name else field, line) for name, field, line in found)


def from_keywords(plan: Plan) -> set[str]:
    """The attributes that the sender's own keyword lines set: never set with more rights than the sender's."""
    return {attribute_of(key) or "custom_fields" for key in plan.keywords}
