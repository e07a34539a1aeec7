"""Which agent notes customers received by mail: from this program, or from Redmine where the settings say so."""

from collections.abc import Callable, Collection

from redmine_mailbridge.store.issue_copy import IssueRow

IsMailed = Callable[[int], bool]
"""Given the ID of a note, returns whether the customer received it by mail."""


class MailedNotes:
    """Answers it for the notes of issues. `mailed` returns the notes of issues that were mailed to their requesters;
    `left` are the mailboxes whose notes only Redmine mails, to authors who have an account; `writers` returns the users
    that act for senders without an account.
    """

    def __init__(
        self,
        mailed: Callable[[Collection[int]], Collection[int]],
        left: Collection[str] = (),
        writers: Callable[[], Collection[int]] = tuple,
    ) -> None:
        self._mailed = mailed
        self._left = frozenset(left)
        self._writers = writers

    def of(self, rows: Collection[IssueRow]) -> Callable[[IssueRow], IsMailed]:
        """Given issues, return a function that returns the answers for the notes of one of them."""
        mailed = frozenset(self._mailed([row.id for row in rows]))
        writers = self._writers() if any(row.mailbox in self._left for row in rows) else ()

        def mailed_of(row: IssueRow) -> IsMailed:
            by_redmine = row.mailbox in self._left and row.mail_id is not None and row.author_id not in writers
            return lambda note: by_redmine or note in mailed

        return mailed_of
