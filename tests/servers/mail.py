"""What tests do to a mailbox directly, with nothing but the standard library."""

import imaplib
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.dovecot import Mail


class Mailbox:
    """One user's mail on the real Dovecot; the address is the login. Each call is a connection of its own."""

    def __init__(self, server: Mail, address: str) -> None:
        self.server = server
        self.address = address
        self.password = server["password"]

    @contextmanager
    def imap(self) -> Iterator[imaplib.IMAP4]:
        """Log in over IMAP, and out at the end."""
        connection = imaplib.IMAP4(self.server["host"], self.server["imap_port"], timeout=30)
        try:
            connection.login(self.address, self.password)
            yield connection
        finally:
            connection.logout()

    def deliver(self, *mails: bytes, sender: str = "sender@example.org") -> None:
        """Given mails, hand them to Dovecot over LMTP, as a mail server would."""
        with smtplib.LMTP(self.server["host"], self.server["lmtp_port"]) as lmtp:
            for mail in mails:
                lmtp.sendmail(sender, [self.address], mail)

    def append(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Given mails, put them into a folder over IMAP, bytes as they are. Raise `OSError` if it is refused."""
        with self.imap() as imap:
            for mail in mails:
                status, said = imap.append(quoted(folder), "", "", mail)
                if status != "OK":
                    raise OSError(f"APPEND to {folder}: {said!r}")

    def create(self, *folders: str) -> None:
        """Given folders' names, in modified UTF-7, make them."""
        with self.imap() as imap:
            for folder in folders:
                imap.create(quoted(folder))

    def folders(self) -> list[str]:
        """Return the folders' names, in modified UTF-7, sorted."""
        with self.imap() as imap:
            lines = imap.list()[1]
        return sorted(line.decode().rpartition(' "/" ')[2].strip('"') for line in lines if isinstance(line, bytes))

    def mails(self, folder: str = "INBOX") -> list[bytes]:
        """Given a folder, return every mail in it by UID, unseen ones left unseen; nothing if there is no folder."""
        return [body for _uid, _flags, body in self.contents(folder)]

    def contents(self, folder: str = "INBOX") -> list[tuple[int, frozenset[str], bytes]]:
        """Given a folder, return UID, flags and bytes of every mail in it, by UID."""
        with self.imap() as imap:
            if imap.select(quoted(folder), readonly=True)[0] != "OK":
                return []
            uids = imap.uid("SEARCH", "ALL")[1][0].split()
            return [self._one(imap, uid.decode()) for uid in uids]

    def _one(self, imap: imaplib.IMAP4, uid: str) -> tuple[int, frozenset[str], bytes]:
        head, body = imap.uid("FETCH", uid, "(FLAGS BODY.PEEK[])")[1][0]
        return int(uid), frozenset(flag.decode() for flag in imaplib.ParseFlags(head)), body

    def count(self) -> dict[str, int]:
        """Return how many mails lie in each folder."""
        with self.imap() as imap:
            lines = imap.list()[1]
            real = [line.decode() for line in lines if isinstance(line, bytes) and b"\\Noselect" not in line]
            names = [line.rpartition(' "/" ')[2].strip('"') for line in real]
            return {name: int(imap.select(quoted(name), readonly=True)[1][0] or 0) for name in sorted(names)}


def quoted(folder: str) -> str:
    """Given a folder's name, return it as an IMAP quoted string (RFC 9051, 4.3)."""
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
