"""Writes further notes with the parts of a mail that Redmine did not store, each once.

A tracker without a description drops the text, a workflow drops a status, a database truncates a text, and Redmine
returns 201 each time. So the stored issue is compared with the request, and the key's user adds what is missing:

    the request is written → claim it, with the intent of the first note → send (once.py) → intent of the next note → …
                                                                                          → after the last note: done

Each note contains the ID of the mail and its own number, so that it can be found by its text.
"""

from collections.abc import Iterator
from dataclasses import replace

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.mail import LeftOut, TextFormat
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.policy.issue_text import left_out_lines, literal_lines
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.size_limits import pieces
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.once import OnceWriter, WriteAttempt
from redmine_mailbridge.tasks.receive.settle import stamped

HEAD = 200
"""Maximum bytes of the first line of a further note."""


class FurtherNotes:
    """Writes further notes. Safe to share among threads; a mail is processed by one thread at a time."""

    def __init__(self, store: Store, writer: Writer, once: OnceWriter, text_format: TextFormat) -> None:
        self._store = store
        self._writer = writer
        self._once = once
        self._format = text_format

    def begin(
        self, row: StoredMail, intent: WriteIntent, written: Written, lines: tuple[str, ...]
    ) -> WriteIntent | None:
        """Given a mail whose request was written, and lines for its history, claim the result and record the intent of
        the first further note. Return that intent; None if the whole mail has been stored.
        """
        texts = self._texts(row, intent, written)
        if not texts:
            return None
        record = intent.has_made(written.issue, written.journal)
        tail = intent.then(record, texts, self._writer.recovery.newest_journal(record.issue))
        line = f"Redmine did not store all of it: the rest is added to #{record.issue} (further notes: {len(texts)})"
        lines = (*lines, line)
        if intent.to_requester and _lacks_text(intent, written):
            tail = replace(tail, to_requester=False, unsent=True)
            lines = (*lines, "the reply is not sent to the requester: no note has all of it")
        self._store.wrote(
            row.id, stamped(tail.to_json()), issue=record.issue, created=record.created, number_again=record.again,
            journal=record.journal, lines=lines,
        )  # fmt: skip
        return tail

    def write(self, sending: WriteAttempt) -> WriteIntent:
        """Given the attempt at a further note, write it and all following ones. Return the intent of the last one.

        Raise as `OnceWriter.send` does. After a rejection, an admin's retry continues from there; its status is 204,
        since part of the mail has been written.
        """
        while True:
            intent = sending.intent
            first = intent.first
            assert first is not None, "a further note comes after something"  # noqa: S101 - the callers have looked
            try:
                self._checked(intent)
                written = self._once.send(sending)
            except RedmineRefused as error:
                raise RedmineRefused(
                    f"{'issue' if first.created else 'a note on'} #{first.issue} was created, but Redmine did not "
                    f"store all of the mail, and accepts no further note of the bridge's own user: {error}. Give that "
                    f"user the permission to add notes there, then retry the mail",
                    status=204,
                ) from error
            if not sending.intent.rest:
                return sending.intent
            following = sending.intent.then(first, sending.intent.rest, written.journal or 0)
            sending = WriteAttempt(sending.row, following)

    def _checked(self, intent: WriteIntent) -> None:
        """Raise RedmineRefused if a note for the team would be visible to others."""
        if isinstance(intent.request, NoteRequest):
            self._writer.prepare_note(intent.request)

    def _texts(self, row: StoredMail, intent: WriteIntent, written: Written) -> tuple[str, ...]:
        whole = "\n\n".join(part for part in self._parts(intent, written) if part.strip())
        if not whole:
            return ()
        parts = pieces(whole, max(intent.limit - HEAD, HEAD) if intent.limit else 0)
        head = f"Mail {row.id}: what this Redmine did not store of it"
        return tuple(
            f"{head}{f' ({number} of {len(parts)})' if len(parts) > 1 else ''}\n\n{part}"
            for number, part in enumerate(parts, 1)
        )

    def _parts(self, intent: WriteIntent, written: Written) -> Iterator[str]:
        if not intent.in_file:
            yield written.text
        yield from intent.rest
        lacking = tuple(LeftOut(name, "Redmine did not accept it") for name in written.files)
        yield left_out_lines(lacking, self._format)
        lost = [word.line for word in intent.words if not _is_set(word.attribute, word.field, intent, written)]
        yield "\n".join(f"* {literal_lines(' '.join(line.split()), self._format)}" for line in lost)


def _lacks_text(intent: WriteIntent, written: Written) -> bool:
    """Is a part of the text neither in the note nor in a file of it?"""
    return bool(written.files) if intent.in_file else bool(intent.rest or written.text.strip())


def _is_set(attribute: str, field: int, intent: WriteIntent, written: Written) -> bool:
    """Whether the value of a keyword line is in the request that was sent, and in Redmine."""
    attributes = intent.request.attributes
    if attribute != "custom_fields":
        return attribute == "project_id" or (attribute in attributes and attribute not in written.unlike)
    sent_fields = {int(custom_field["id"]) for custom_field in attributes.get("custom_fields", ())}
    return field in sent_fields and field not in written.unlike
