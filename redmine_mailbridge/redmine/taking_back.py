"""Takes back what a message wrote to Redmine, and restores it: the text of its note, the state of its issue.

Every request here sets something to a value and is preceded by a look, so that it may be repeated: a crash or a lost
response does no harm. Redmine's API cannot remove an issue without the right to delete it, nor take back the mails that
Redmine sent; what is done instead is described in docs/admin/who-may-write.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.manual_change import Place
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.text_cleaning import same_text
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.util.dataclass import dataclass

DUPLICATES = "duplicates"


class NotRestored(Exception):
    """A former place cannot be restored; the text says why."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Takes back and restores, as the key's own user."""

    client: Client
    writer: Writer

    def take_back(
        self, place: Place, target: Place | None, note_status: Callable[[int], None], *, others: bool
    ) -> tuple[str, ...]:
        """Given where a message was, and where it is now (None: nowhere), take back what it wrote. Return lines about
        what was done and what remains.

        A note becomes a reference to the other issue, or empty, which removes it unless it has files or changes. An
        issue is closed, as a duplicate of the other issue, unless others have written to it (`others`: another message
        has). `note_status` stores its status before that. Raise RedmineUnavailable, RedmineUnclear.
        """
        issue = self._issue(place.issue)
        if issue is None:
            return (f"#{place.issue} is gone",)
        if place.created:
            return self._leave_issue(issue, target, note_status, others=others)
        if place.journal is None:
            return ()
        lines = self._change_note(issue, place, mark(target))
        return (*lines, *_remains(issue, place))

    def restore(self, place: Place, target: Place | None, status: int | None) -> tuple[str, ...]:
        """Given where a message was before it was written to `target`, restore it. Return lines about what was done.

        Raise NotRestored if its text is no longer there and cannot be written again; RedmineUnavailable,
        RedmineUnclear.
        """
        issue = self._issue(place.issue)
        if issue is None:
            raise NotRestored(f"#{place.issue} is gone")
        if place.created:
            return self._return_to_issue(issue, target, status)
        return self._restore_note(issue, place, mark(target))

    # ------------------------------------------------------------------ notes

    def _change_note(self, issue: Mapping[str, Any], place: Place, text: str) -> tuple[str, ...]:
        journal, sent = _journal(issue, place), sent_text(place)
        if journal is None:
            return (f"its note on #{place.issue} is gone",)
        if same_text(text, journal.get("notes")):
            return (_outcome_line(place, text),)
        if sent is None:
            return (f"its notes on #{place.issue} remain: it was written in several",)
        if not same_text(sent, journal.get("notes")):
            return (f"its note on #{place.issue} was edited since, and remains",)
        why_not = self._put_note(place, text)
        return (f"its note on #{place.issue} remains: {why_not}" if why_not else _outcome_line(place, text),)

    def _restore_note(self, issue: Mapping[str, Any], place: Place, text: str) -> tuple[str, ...]:
        journal, sent = _journal(issue, place), sent_text(place)
        if journal is None:
            raise NotRestored(f"its note on #{place.issue} is gone")
        if sent is None or not same_text(text, journal.get("notes")):
            return (f"its note on #{place.issue} is as it was left",)
        why_not = self._put_note(place, sent)
        if why_not:
            raise NotRestored(f"its note on #{place.issue} cannot be restored: {why_not}")
        return (f"its note on #{place.issue} is restored",)

    def _put_note(self, place: Place, text: str) -> str:
        """Set the text of a note. Return why that is not possible, "" if it is done."""
        try:
            with side_effect(SideEffect.ADD_NOTE):
                self.client.put(f"/journals/{place.journal}.json", {"journal": {"notes": text}})
        except RedmineRefused as error:
            return str(error)
        issue = self._issue(place.issue) or {}
        journal = _journal(issue, place)
        done = same_text(text, journal.get("notes")) if journal is not None else not text
        return "" if done else "Redmine accepted the change and did not make it"

    # ------------------------------------------------------------------ issues

    def _leave_issue(
        self, issue: Mapping[str, Any], target: Place | None, note_status: Callable[[int], None], *, others: bool
    ) -> tuple[str, ...]:
        number = int(issue["id"])
        lines = [] if target is None else [self.writer.add_relation(number, target.issue, DUPLICATES)]
        if others or any(str(journal.get("notes") or "").strip() for journal in issue.get("journals", ())):
            return (*lines, f"#{number} remains open: there are other notes in it. Later notes there are not mailed")
        if issue.get("status", {}).get("is_closed"):
            return (*lines, f"#{number} is closed")
        closed = next((status for status in issue.get("allowed_statuses", ()) if status.get("is_closed")), None)
        if closed is None:
            return (*lines, f"#{number} remains open: its workflow lets the API key's user close it nowhere")
        note_status(int(issue["status"]["id"]))
        return (*lines, self._set_status(number, int(closed["id"]), f"#{number} is closed"))

    def _return_to_issue(self, issue: Mapping[str, Any], target: Place | None, status: int | None) -> tuple[str, ...]:
        number = int(issue["id"])
        lines = [] if target is None else self._unrelate(number, target.issue)
        if status is None or not issue.get("status", {}).get("is_closed"):
            return (*lines, f"the message belongs to #{number} again")
        return (*lines, self._set_status(number, status, f"#{number} is open again"))

    def _set_status(self, number: int, status: int, done: str) -> str:
        try:
            with side_effect(SideEffect.ADD_NOTE):
                self.client.put(f"/issues/{number}.json", {"issue": {"status_id": status}})
        except RedmineRefused as error:
            return f"the status of #{number} remains: {error}"
        there = (self._issue(number) or {}).get("status", {}).get("id")
        return done if there == status else f"the status of #{number} remains: Redmine does not let this user change it"

    def _unrelate(self, number: int, other: int) -> list[str]:
        """Remove the relation that the move made. It is read with the issue: the list of relations is for those who may
        manage them.
        """
        answer = self.client.get_or_none(f"/issues/{number}.json", [("include", "relations")])
        for relation in answer["issue"].get("relations", ()) if answer is not None else ():
            ends = (relation["issue_id"], relation["issue_to_id"])
            if relation.get("relation_type") == DUPLICATES and ends == (number, other):
                try:
                    with side_effect(SideEffect.ADD_RELATION):
                        self.client.delete(f"/relations/{relation['id']}.json")
                except RedmineRefused as error:
                    return [f"#{number} remains a duplicate of #{other}: {error}"]
                return [f"#{number} is no longer a duplicate of #{other}"]
        return []

    def _issue(self, number: int) -> Mapping[str, Any] | None:
        parameters = [("include", "journals,attachments,allowed_statuses")]
        answer = self.client.get_or_none(f"/issues/{number}.json", parameters)
        return None if answer is None else answer["issue"]


def mark(target: Place | None) -> str:
    """What a note says whose message is elsewhere; empty if it is nowhere."""
    return "" if target is None else f"→ #{target.issue}"


def sent_text(place: Place) -> str | None:
    """The text of a message's note as it was sent; None if it was sent in several notes, or nothing is known."""
    if not place.request:
        return None
    intent = WriteIntent.from_json(place.request)
    return None if intent.first is not None else str(intent.request.attributes.get("notes", ""))


def _journal(issue: Mapping[str, Any], place: Place) -> Mapping[str, Any] | None:
    return next((journal for journal in issue.get("journals", ()) if journal["id"] == place.journal), None)


def _outcome_line(place: Place, text: str) -> str:
    return f"its note on #{place.issue} now says {text}" if text else f"its note on #{place.issue} is removed"


def _remains(issue: Mapping[str, Any], place: Place) -> tuple[str, ...]:
    """A line about the files that the note added, which remain."""
    attached = {str(file["id"]): str(file["filename"]) for file in issue.get("attachments", ())}
    details = (_journal(issue, place) or {}).get("details", ())
    names = [
        attached[detail["name"]]
        for detail in details
        if detail.get("property") == "attachment" and detail["name"] in attached
    ]
    return (f"its files remain on #{place.issue}: {', '.join(names)}",) if names else ()
