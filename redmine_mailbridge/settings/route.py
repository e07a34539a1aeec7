"""What becomes of a mailbox's mail: `[mailboxes.NAME.issue]`."""

from typing import Literal

from redmine_mailbridge.settings.table import Table, key
from redmine_mailbridge.settings.types import Name

UnknownSender = Literal["accept", "create", "ignore", "refuse"]
Trust = Literal["authenticated", "internal", "any"]


class IssueSettings(Table):
    """What a mail of this mailbox becomes. Names are Redmine's own, as its pages show them; ids work too."""

    project: Name = key("The project that new issues go to: its identifier, as in the address of its pages.")
    tracker: Name | None = key("The tracker of new issues.", None, shown="the project's first")
    category: Name | None = key("The category of new issues.", None)
    priority: Name | None = key("The priority of new issues.", None, shown="Redmine's default")
    status: Name | None = key("The status of new issues.", None, shown="the tracker's default")
    assignee: Name | None = key("Who gets new issues: a login, an address, or the name of a group.", None)
    unknown_sender: UnknownSender = key(
        'What to do with a sender who is no Redmine user. "accept": an issue written by the bridge\'s own user '
        'that names the sender. "create": make a user first. "ignore": no issue, the mail is filed as done. '
        '"refuse": no issue, the mail goes to the failure folder.',
        "accept",
    )
    trust: Trust = key(
        "When a mail may act as the Redmine user whose address it bears, since anyone can write any From line. "
        '"authenticated": when your own mail server vouches for the sender\'s domain. "internal": when it never '
        'left your own servers. "any": always. Otherwise the sender is treated as an unknown one.',
        "authenticated",
    )
