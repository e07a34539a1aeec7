"""Mails made up for measuring, and a Maildir that holds them without a server having been asked."""

import base64
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

SENDERS = (("Anna Agent", "anna@example.com"), ("Bob Builder", "bob@example.com"))
TEXT = (
    "the printer on the second floor does not answer since this morning and the invoice of last week is still open "
    "could you please look at it because our customers are waiting for their parcels and the password has expired"
)
WORDS = TEXT.split()
WWW_DATA = 33


def plain(number: int, run: str) -> bytes:
    """Given a number and the name of a run, return a plain mail of a user that Redmine knows, about 1.5 KB."""
    rng = random.Random(number)
    name, address = SENDERS[number % len(SENDERS)]
    text = "\r\n\r\n".join(" ".join(rng.choices(WORDS, k=60)) + "." for _ in range(3))
    head = [
        "Received: from relay.example.org by mail.example.com with ESMTPS; Mon, 5 Jan 2026 10:00:00 +0000",
        f"From: {name} <{address}>",
        "To: support@example.com",
        f"Subject: Request {run} {number}: {' '.join(rng.choices(WORDS, k=4))}",
        f"Message-ID: <{run}.{number}@bench.example.com>",
        "Date: Mon, 5 Jan 2026 10:00:00 +0000",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + text + "\r\n").encode()


def large(run: str, files: int, file_size: int) -> bytes:
    """Given how many files and how large each is in bytes, return one mail that carries them, in base64."""
    line = base64.b64encode(bytes(range(57))).decode() + "\r\n"
    head = plain(0, run).decode().partition("Content-Type:")[0]
    parts = [f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the files.\r\n"]
    for number in range(files):
        parts.append(
            f"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: attachment; filename=file{number}.bin\r\n\r\n"
        )
        parts.append(line * (file_size // 57))
    return ("".join(parts) + "--b--\r\n").encode()


def maildir(home: Path, user: str, mails: Iterable[bytes], folders: Iterable[str] = ("Processed", "Failed")) -> int:
    """Given Dovecot's home, a user and mails, write them into the user's INBOX. Return how many there are."""
    root = home / "mail" / "example.com" / user / "Maildir"
    for folder in (root, *(root / f".{name}" for name in folders)):
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    count = 0
    for mail in mails:
        path = root / "cur" / f"{1767607200 + count}.M{count:06}P1.bench,S={len(mail)}:2,"
        path.write_bytes(mail)
        os.chown(path, WWW_DATA, WWW_DATA)
        count += 1
    top = home / "mail" / "example.com"
    for path in (top, root.parent, root, *root.rglob("*")):
        if path.is_dir():
            os.chown(path, WWW_DATA, WWW_DATA)
    return count


def many(run: str, count: int) -> Iterator[bytes]:
    """Yield so many plain mails."""
    return (plain(number, run) for number in range(count))
