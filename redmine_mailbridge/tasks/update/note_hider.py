"""Makes notes private in Redmine that begin with `/private`: when they are decided they are public.

What is due is recorded with the decision on the note, so that a crash neither loses it nor hides a note whose commands
have not been carried out. Twice is once. Redmine allows it to a user who may edit notes and set them private, by
`PUT /journals/N.json`, from 5.0 on; where it does not, the agents are informed.
"""

from functools import partial

import structlog

from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.store.note_decisions import NoteDecisions, NoteToHide
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns

log = structlog.get_logger(__name__)


class NoteHider:
    """Hides the notes that are due. A failure ends only the turn of its issue."""

    def __init__(self, decisions: NoteDecisions, writer: Writer, turns: IssueTurns) -> None:
        self._decisions = decisions
        self._writer = writer
        self._turns = turns

    def once(self) -> tuple[int, int]:
        """Hide what is due. Return the numbers of notes that are private now, and of failures. Raise
        RedmineUnavailable.
        """
        done = failed = 0
        for note in self._decisions.to_hide():
            hidden, ended = self._turns.take(note.issue, partial(self._hide, note))
            done, failed = done + hidden, failed + (not ended)
        return done, failed

    def _hide(self, note: NoteToHide) -> int:
        why_public = self._writer.make_private(note.issue, note.journal)
        if not why_public:
            self._decisions.hidden(note, f"note {note.journal} is private now")
            return 1
        log.warning("note.not_hidden", issue=note.issue, journal=note.journal, reason=why_public)
        line = f"note {note.journal} begins with /private, but everyone who sees the issue can read it: {why_public}"
        words = f"Note {note.journal} begins with /private and was not mailed, but it is public in Redmine: "
        words += "the bridge may not change it. Make it private by hand."
        self._decisions.hidden(note, line, [NewNotice(f"public/{note.journal}", words)])
        return 0
