"""The mails that the crash tests send, each with what must have become of it in the end."""

import email.message
import email.utils
import secrets
from dataclasses import dataclass, field
from typing import Literal

Fate = Literal["issue", "note", "refused", "ignored"]
USER = "Anna <anna@example.com>"
ADMIN = "Root <admin@example.com>"
BLOCKED = "Spammer <spammer@blocked.example>"


@dataclass(frozen=True)
class Letter:
    """One mail. `token` stands in its text and nowhere else; `copies` is how often it was delivered."""

    token: str
    message_id: str
    content: bytes
    fate: Fate
    files: tuple[tuple[str, bytes], ...] = ()
    under: str | None = None
    """The token of the mail whose issue this one must be a note on."""
    linked: str | None = None
    """The token of the mail to whose issue this one's must be linked."""
    watcher: str | None = None
    copies: int = field(default=1, compare=False)


def letter(
    fate: Fate = "issue",
    *,
    sender: str = USER,
    to: str = "box@example.com",
    cc: str | None = None,
    subject: str | None = None,
    text: str | None = None,
    keywords: str = "",
    reply_to: Letter | None = None,
    files: int = 0,
    headers: dict[str, str] | None = None,
    copies: int = 1,
) -> Letter:
    """Given what is special about it, return a mail with a token of its own."""
    token = f"tok{secrets.token_hex(6)}"
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = sender, to
    if cc is not None:
        mail["Cc"] = cc
    mail["Subject"] = subject or ("Re: a question" if reply_to else f"A question {token[3:7]}")
    mail["Message-ID"] = f"<{token}@mail.example.org>"
    mail["Date"] = email.utils.formatdate()
    if reply_to is not None:
        mail["In-Reply-To"] = f"<{reply_to.message_id}>"
        mail["References"] = f"<{reply_to.message_id}>"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text or f"{keywords}The printer says {token}.\n\nWhat can it mean?\n")
    attached = tuple((f"{token}-{n}.txt", f"file {n} of {token}\n".encode() * 40) for n in range(files))
    for name, content in attached:
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    linked = reply_to.token if reply_to is not None and fate == "issue" else None
    under = reply_to.token if reply_to is not None and fate == "note" else None
    return Letter(
        token if text is None else "", f"{token}@mail.example.org", mail.as_bytes(), fate, attached, under, linked,
        "bob@example.com" if cc and "bob@example.com" in cc else None, copies,
    )  # fmt: skip


def batch() -> list[Letter]:
    """Return a handful of mails in which every side effect comes up at least once, most of them twice."""
    place = secrets.token_hex(4)
    plain = letter()
    with_files = letter(files=2, cc="Bob <bob@example.com>")
    stranger = letter(sender=f"Nora Neu <nora-{place}@elsewhere.example>")
    closed = letter(sender=ADMIN, keywords="Status: Closed\n\n")
    answer = letter("note", reply_to=plain, files=1)
    return [
        plain,
        with_files,
        stranger,
        answer,
        letter("note", reply_to=answer),
        letter("refused", sender=BLOCKED),
        letter("ignored", headers={"Auto-Submitted": "auto-replied"}, subject="Out of office"),
        letter(copies=2),
        letter("note", reply_to=stranger, sender=f"Nora Neu <nora-{place}@elsewhere.example>"),
        closed,
        letter(reply_to=closed),
        letter(reply_to=closed, sender=ADMIN),
        letter(sender=f"Otto Alt <otto-{place}@elsewhere.example>", cc="Bob <bob@example.com>"),
    ]
