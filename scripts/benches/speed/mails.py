"""Mails made up for measuring, and a Maildir that holds them without a server having been asked."""

import base64
import os
import random
import socket
from collections.abc import Iterable, Iterator
from itertools import islice
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


def append(port: int, address: str, password: str, content: Iterable[bytes]) -> None:
    """Given an IMAP port and who to log in as, put mails into the INBOX, a thousand in one command (RFC 3502)."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rwb") as stream:
        commands = [f"LOGIN {address} {password}".encode()]
        for together in batched(content, 1000):
            commands += [b"APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(mail), mail) for mail in together)]
        for command in (*commands, b"LOGOUT"):
            stream.write(b"t " + command + b"\r\n")
            stream.flush()
            said = next((line for line in stream if line.startswith(b"t ")), b"")
            if not said.startswith(b"t OK"):
                raise OSError(f"{command[:20]!r}: {said!r}")


def batched(content: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield lists of so many."""
    left = iter(content)
    while together := list(islice(left, size)):
        yield together


def many(run: str, count: int) -> Iterator[bytes]:
    """Yield so many plain mails."""
    return (plain(number, run) for number in range(count))
