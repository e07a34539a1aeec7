"""Which notes of agents their customers have got by mail: ours, or Redmine's where the settings leave it to Redmine."""

from collections.abc import Callable, Collection

from redmine_mailbridge.store.issue_copy import IssueRow

Asks = Callable[[int], bool]
"""Given a note's number, whether the customer got it by mail."""


class Told:
    """Tells it of the notes of issues. `mailed` gives, of issues, the notes that reached their requesters by mail;
    `left` are the mailboxes whose notes Redmine alone mails, to authors who have an account; `writers` gives the users
    who write for those who have none.
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

    def of(self, rows: Collection[IssueRow]) -> Callable[[IssueRow], Asks]:
        """Given issues, return what gives for each of them what to ask of its notes."""
        mailed = frozenset(self._mailed([row.id for row in rows]))
        writers = self._writers() if any(row.mailbox in self._left for row in rows) else ()

        def asks(row: IssueRow) -> Asks:
            by_redmine = row.mailbox in self._left and row.author_id not in writers
            return lambda note: by_redmine or note in mailed

        return asks
