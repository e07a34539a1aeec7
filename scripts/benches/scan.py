"""What mails that are done and stay in their folder cost: passes over folders of 100 … 100,000 of them.

The mailbox keeps its mails (`after_success = "keep"`); the old ones bear the keyword of a mail that is done, and the
store knows them all. Measured are a pass that finds nothing new, one that finds some new mails (each), and the search
for what is new when the folder's cursor is lost (a new UIDVALIDITY), where the keyword alone tells.
"""

import argparse
import imaplib
import statistics
import sys
import time
from collections.abc import Iterator

import sqlalchemy as sa
from speed.mails import append, many
from speed.table import Goal, print_goals
from speed.world import World, keep_in_mdbox, world

from redmine_mailbridge.mailboxes.imap.filing import DONE
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

TINY = b"From: anna@example.com\r\nSubject: old\r\nMessage-ID: <%d@old.example.com>\r\n\r\nold\r\n"
ROWS = 5000


class Folder:
    """A mailbox of so many mails that are done, read through a proxy that counts."""

    def __init__(self, where: World, size: int, proxy: FaultProxy) -> None:
        self.where, self.size, self.proxy = where, size, proxy
        user, dovecot = f"scan{size}", where.state["dovecot"]
        self.box = Mailbox(dovecot, f"{user}@example.com")
        append(dovecot["imap_port"], self.box.address, self.box.password, (TINY % number for number in range(size)))
        self.settings = where.settings(user, start_from="now", imap_port=proxy.port)
        text = self.settings.read_text()
        self.settings.write_text(text.replace("max_new_mails = 0", 'max_new_mails = 0\nafter_success = "keep"'))
        self.mark()
        where.bridge(self.settings, 0)
        self.remember()

    def mark(self) -> None:
        """Give every mail the keyword."""
        dovecot = self.where.state["dovecot"]
        with imaplib.IMAP4("127.0.0.1", dovecot["imap_port"]) as imap:
            imap.login(self.box.address, self.box.password)
            imap.select()
            imap.store("1:*", "+FLAGS.SILENT", f"({DONE})")

    def remember(self) -> None:
        """Have the store know every mail as done and filed, as it would be after as many days of work."""
        folder = self.settings.parent
        store = Store.open(f"sqlite:///{folder}/mailbridge.db", folder / "mails")
        cursor = store.cursor("support", "INBOX")
        assert cursor is not None
        now = time.time()
        for start in range(0, self.size, ROWS):
            uids = range(start + 1, min(start + ROWS, self.size) + 1)
            rows = [
                {
                    "mailbox": "support", "folder": "INBOX", "uid_validity": cursor.uid_validity,
                    "uid": str(uid), "size": 100,
                    "kept_at": now, "changed_at": now, "state": State.DONE, "filed_at": now,
                    "filed_to": "left in INBOX",
                    "message_id": f"{uid - 1}@old.example.com", "truncated": False, "first_sync": False, "tries": 0,
                    "next_try_at": 0.0, "accepted": False, "file_tries": 0, "next_file_at": 0.0,
                }
                for uid in uids
            ]  # fmt: skip
            with store.database.write() as db:
                db.execute(sa.insert(mail), rows)
        store.close()

    def passed(self, run: str, count: int) -> tuple[float, int, int]:
        """Let so many mails come and read them. Return seconds, IMAP commands and bytes both ways."""
        self.box.append(*many(run, count))
        before = (len(self.proxy.requests), self.proxy.bytes_up + self.proxy.bytes_down)
        done = self.where.bridge(self.settings, count)
        after = (len(self.proxy.requests), self.proxy.bytes_up + self.proxy.bytes_down)
        return done.seconds, after[0] - before[0], after[1] - before[1]

    def lost(self) -> float:
        """Return the seconds of a listing that knows nothing but the keywords, the connection standing."""
        dovecot = self.where.state["dovecot"]
        config = MailboxConfig(
            name="scan", host="127.0.0.1", port=dovecot["imap_port"], username=self.box.address,
            password=self.box.password, security=Security.NONE,
        )  # fmt: skip
        box = ImapMailbox(config)
        box.connect()
        began = time.monotonic()
        found = box.list_new("INBOX", limit=50)
        seconds = time.monotonic() - began
        box.close()
        if found:
            raise RuntimeError(f"{len(found)} mails count as new that are done")
        return seconds


def table(folders: list[Folder], rounds: int, count: int) -> Iterator[tuple[int, list[float]]]:
    """Measure every folder in turn, so many times, and yield the middle of what each column cost."""
    seen: dict[int, list[list[float]]] = {folder.size: [] for folder in folders}
    for number in range(rounds):
        for folder in folders[:: 1 if number % 2 else -1]:
            empty, commands, size = folder.passed("none", 0)
            lost = folder.lost()
            full, more, larger = folder.passed(f"scan{folder.size}-{number}", count)
            each = [(full - empty) / count * 1000, (more - commands) / count, (larger - size) / count]
            seen[folder.size].append([empty * 1000, commands, size, *each, lost * 1000])
            print(f"{folder.size}: {seen[folder.size][-1]}", file=sys.stderr, flush=True)
    for size, rows in seen.items():
        yield size, [statistics.median(column) for column in zip(*rows, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=(100, 1000, 10_000, 100_000))
    parser.add_argument("--mails", type=int, default=20, help="new mails of a pass")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 whatever was measured")
    given = parser.parse_args()
    with world(postgresql=False) as where, FaultProxy(where.state["dovecot"]["imap_port"], "line") as proxy:
        keep_in_mdbox(where.state)
        folders = [Folder(where, size, proxy) for size in given.sizes]
        for folder in folders:
            folder.passed(f"warm{folder.size}", given.mails)
        found = dict(table(folders, given.rounds, given.mails))
    heads = ["empty pass, ms", "commands", "bytes", "new mail, ms", "commands each", "bytes each", "cursor lost, ms"]
    print(f"\n| mails that are done | {' | '.join(heads)} |\n|---:|{'---:|' * len(heads)}")
    for size, row in found.items():
        print(f"| {size:,} | " + " | ".join(f"{value:,.1f}".removesuffix(".0") for value in row) + " |")
    small, large = found[min(found)], found[max(found)]
    print()
    return print_goals(
        [
            Goal("empty pass, largest : smallest", large[0] / small[0], "×", at_most=1.2),
            Goal("its commands, largest : smallest", large[1] / small[1], "×", at_most=1.0),
            Goal("a new mail, largest : smallest", large[3] / small[3], "×", at_most=1.2),
            Goal("its commands, largest : smallest", large[4] / small[4], "×", at_most=1.1),
        ],
        judge=not given.no_goals,
    )


if __name__ == "__main__":
    sys.exit(main())
