"""Notes after the request of a mail: what Redmine did not take of it stands in them, each once.

A tracker without a description drops the text, a workflow a status, a database the end of a text, and Redmine says 201
to each. So what it has stored is compared with what was sent, and what is missing is noted by the key's own user:

    the request is there → claimed, with the intent of the first note → send (once.py) → the next note's intent → …
                                                                                        → the last is there: done

Each note bears the mail's number in the store and its own, so that it is found again by its words.
"""

from collections.abc import Iterator

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.mail import LeftOut, TextFormat
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.policy.issue_text import left_out_lines, literal_lines
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.size_limits import pieces
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.once import Once, Sending
from redmine_mailbridge.tasks.receive.settle import stamped

HEAD = 200
"""Bytes that the first line of a further note has at most."""


class Further:
    """Writes further notes. Safe to share among threads; a mail is in one thread's hand at a time."""

    def __init__(self, store: Store, writer: Writer, once: Once, text_format: TextFormat) -> None:
        self._store = store
        self._writer = writer
        self._once = once
        self._format = text_format

    def begin(self, row: MailRow, job: Job, written: Written, lines: tuple[str, ...]) -> Job | None:
        """Given a mail whose request is there, and lines for its record, claim what was made, and note the intent of
        the first further note. Return that note's job; None when everything of the mail is there.
        """
        texts = self._texts(row, job, written)
        if not texts:
            return None
        made = job.has_made(written.issue, written.journal)
        tail = job.then(made, texts, self._writer.look.newest_journal(made.issue))
        said = f"Redmine did not take all of it: the rest is noted on #{made.issue} (further notes: {len(texts)})"
        self._store.wrote(
            row.id, stamped(tail.to_json()), issue=made.issue, created=made.created, number_again=made.again,
            journal=made.journal, lines=(*lines, said),
        )  # fmt: skip
        return tail

    def write(self, sending: Sending) -> Job:
        """Given the job of a further note on its way, write it and all after it. Return the last one's job.

        Raise as `Once.send` does. What is refused is tried again from there when an admin asks for another try; its
        status is 204, since something of the mail is there.
        """
        while True:
            job = sending.job
            first = job.first
            assert first is not None, "a further note comes after something"  # noqa: S101 - the callers have looked
            try:
                self._checked(job)
                written = self._once.send(sending)
            except RedmineRefused as error:
                raise RedmineRefused(
                    f"{'issue' if first.created else 'a note on'} #{first.issue} was made, but Redmine did not take "
                    f"all of the mail, and takes no further note of the bridge's own user: {error}. Give that user the "
                    f"permission to add notes there, then try the mail again",
                    status=204,
                ) from error
            if not sending.job.rest:
                return sending.job
            following = sending.job.then(first, sending.job.rest, written.journal or 0)
            sending = Sending(sending.row, following)

    def _checked(self, job: Job) -> None:
        """Raise RedmineRefused where a note that is for the team would be seen by others."""
        if isinstance(job.request, NoteRequest):
            self._writer.prepare_note(job.request)

    def _texts(self, row: MailRow, job: Job, written: Written) -> tuple[str, ...]:
        whole = "\n\n".join(part for part in self._parts(job, written) if part.strip())
        if not whole:
            return ()
        parts = pieces(whole, max(job.limit - HEAD, HEAD) if job.limit else 0)
        head = f"Mail {row.id}: what this Redmine did not take of it"
        return tuple(
            f"{head}{f' ({number} of {len(parts)})' if len(parts) > 1 else ''}\n\n{part}"
            for number, part in enumerate(parts, 1)
        )

    def _parts(self, job: Job, written: Written) -> Iterator[str]:
        if not job.in_file:
            yield written.text
        yield from job.rest
        lacking = tuple(LeftOut(name, "this Redmine did not take it") for name in written.files)
        yield left_out_lines(lacking, self._format)
        lost = [word.line for word in job.words if not _is_set(word.attribute, word.field, job, written)]
        yield "\n".join(f"* {literal_lines(' '.join(line.split()), self._format)}" for line in lost)


def _is_set(attribute: str, field: int, job: Job, written: Written) -> bool:
    """Is what a keyword line asks for in the request as it was sent, and in Redmine?"""
    attributes = job.request.attributes
    if attribute != "custom_fields":
        return attribute == "project_id" or (attribute in attributes and attribute not in written.unlike)
    asked = {int(one["id"]) for one in attributes.get("custom_fields", ())}
    return field in asked and field not in written.unlike
