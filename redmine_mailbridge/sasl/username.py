"""Splits the forms in which help desks write the username of a shared mailbox. Pure."""

from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Username:
    """Who signs in (`sign_in`, the owner of the password or token), and which mailbox is opened (`mailbox`).

    They are the same text unless the mailbox is a shared one.
    """

    sign_in: str
    mailbox: str

    @property
    def shared(self) -> bool:
        """Whether another user's mailbox is opened."""
        return self.sign_in != self.mailbox


def parse_username(text: str) -> Username:
    r"""Given a username of the settings, return who signs in and which mailbox is opened.

    The forms, with a backslash or a slash between their pieces:

    =========================================  =====================================  ============================
    written                                    signs in                               mailbox
    =========================================  =====================================  ============================
    ``user@d``                                 ``user@d``                             the same
    ``user@d\shared@d``                        ``user@d``                             ``shared@d``
    ``Server\user@d`` (or ``Domain\user``)     as written                             the same
    ``Server\user@d\shared@d``                 ``Server\user@d``                      ``shared@d``
    ``Domain\user\alias``                      ``Domain\user``                        ``alias``
    =========================================  =====================================  ============================

    With two pieces, the mailbox is a shared one exactly if the first piece is an address: a server or a domain
    contains no ``@``. With three, the last piece is the mailbox. Text of any other form (empty pieces, more than
    three) is one username, unchanged. Sources: osTicket's page on adding e-mails, i-net HelpDesk's on accounts.
    """
    text = text.strip()
    pieces = text.replace("/", "\\").split("\\")
    if not all(pieces) or len(pieces) > 3 or len(pieces) == 1:
        return Username(text, text)
    if len(pieces) == 3:
        return Username(text[: len(text) - len(pieces[2]) - 1], pieces[2])
    if "@" in pieces[0]:
        return Username(pieces[0], pieces[1])
    return Username(text, text)
