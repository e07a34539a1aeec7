"""The mails that the crash tests send, each with what must have become of it in the end."""

import email.message
import email.utils
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from tests.crash.variants import PLAIN, Variant
from tests.servers.faults import FAILS_AFTER_SAVE

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

    @property
    def alone(self) -> bool:
        """Does it wait for no other mail, and none for it?"""
        return self.copies == 1 and self.under is None and self.linked is None


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
    file_lines: int = 40,
    headers: dict[str, str] | None = None,
    copies: int = 1,
    variant: Variant = PLAIN,
) -> Letter:
    """Given what is special about it, return a mail with a token of its own."""
    token = f"tok{secrets.token_hex(6)}"
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = sender, to
    if cc is not None:
        mail["Cc"] = cc
    smile = " \U0001f600" if variant.wide else ""
    mail["Subject"] = (subject or ("Re: a question" if reply_to else f"A question {token[3:7]}")) + smile
    mail["Message-ID"] = f"<{token}@mail.example.org>"
    mail["Date"] = email.utils.formatdate()
    if reply_to is not None:
        mail["In-Reply-To"] = f"<{reply_to.message_id}>"
        mail["References"] = f"<{reply_to.message_id}>"
    for name, value in (headers or {}).items():
        mail[name] = value
    said = f"{keywords}The printer says {token}{smile}.\n\nWhat can it mean?\n"
    mail.set_content(text or said + (f"It says {FAILS_AFTER_SAVE}.\n" if variant.fails else ""))
    attached = tuple((f"{token}-{n}.txt", f"file {n} of {token}\n".encode() * file_lines) for n in range(files))
    for name, content in attached:
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    linked = reply_to.token if reply_to is not None and fate == "issue" else None
    under = reply_to.token if reply_to is not None and fate == "note" else None
    return Letter(
        token if text is None else "", f"{token}@mail.example.org", mail.as_bytes(), fate, attached, under, linked,
        "bob@example.com" if cc and "bob@example.com" in cc else None, copies,
    )  # fmt: skip


def batch(variant: Variant = PLAIN) -> list[Letter]:
    """Return a handful of mails in which every side effect comes up at least once, most of them twice.

    Where Redmine fails after saves, it does with an issue with files, a stranger's, and a note; the others it takes.
    """
    place = secrets.token_hex(4)
    hard, soft = partial(letter, variant=variant), partial(letter, variant=replace(variant, fails=False))
    plain = soft()
    with_files = hard(files=2, cc="Bob <bob@example.com>")
    stranger = hard(sender=f"Nora Neu <nora-{place}@elsewhere.example>")
    closed = soft(sender=ADMIN, keywords="Status: Closed\n\n")
    answer = hard("note", reply_to=plain, files=1)
    return [
        plain,
        with_files,
        stranger,
        answer,
        soft("note", reply_to=answer),
        soft("refused", sender=BLOCKED),
        soft("ignored", headers={"Auto-Submitted": "auto-replied"}, subject="Out of office"),
        soft(copies=2),
        soft("note", reply_to=stranger, sender=f"Nora Neu <nora-{place}@elsewhere.example>"),
        closed,
        soft(reply_to=closed),
        soft(reply_to=closed, sender=ADMIN),
        soft(sender=f"Otto Alt <otto-{place}@elsewhere.example>", cc="Bob <bob@example.com>"),
    ]
