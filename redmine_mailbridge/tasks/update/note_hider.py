"""Makes notes private in Redmine that begin with `/private`: when they are decided they are public.

What is due is recorded with the decision on the note, so that a crash neither loses it nor hides a note whose commands
have not been carried out. Twice is once. Redmine allows it to a user who may edit notes and set them private, by
`PUT /journals/N.json`, from 5.0 on; where it does not, or keeps failing, the agents are informed.
"""

from functools import partial

import structlog

from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.store.note_decisions import NoteDecisions, NoteToHide
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns

log = structlog.get_logger(__name__)


class NoteHider:
    """Hides the notes that are due. A failure ends only the turn of its issue."""

    def __init__(self, decisions: NoteDecisions, writer: Writer, turns: IssueTurns, notices: Notices) -> None:
        self._decisions = decisions
        self._writer = writer
        self._turns = turns
        self._notices = notices
        self._failed: set[int] = set()

    def once(self) -> tuple[int, int]:
        """Hide what is due. Return the numbers of notes that are private now, and of failures. Raise
        RedmineUnavailable.
        """
        done = failed = 0
        for note in self._decisions.to_hide():
            hidden, ended = self._turns.take(note.issue, partial(self._hide, note))
            done, failed = done + hidden, failed + (not ended)
            if not ended:
                self._report_failure(note)
        return done, failed

    def _hide(self, note: NoteToHide) -> int:
        why_public = self._writer.make_private(note.issue, note.journal)
        if not why_public:
            self._decisions.hidden(note, f"note {note.journal} is private now, or gone")
            return 1
        log.warning("note.not_hidden", issue=note.issue, journal=note.journal, reason=why_public)
        line = f"note {note.journal} begins with /private, but everyone who sees the issue can read it: {why_public}"
        notice = _notice(note, "the bridge may not change it. Make it private by hand.")
        self._decisions.hidden(note, line, [notice])
        return 0

    def _report_failure(self, note: NoteToHide) -> None:
        """Inform the agents, once, if Redmine fails on a note again: a single failure is over by the next run."""
        if note.journal not in self._failed:
            self._failed.add(note.journal)
            return
        why = "Redmine fails to change it. The bridge keeps trying, but make it private by hand."
        self._notices.add(note.issue, note.mail_id, _notice(note, why))


def _notice(note: NoteToHide, why: str) -> NewNotice:
    words = f"Note {note.journal} begins with /private and was not mailed, but it is public in Redmine: {why}"
    return NewNotice(f"public/{note.journal}", words)
