"""The text of an issue or note: what the person wrote, and the few lines that the bridge adds and why."""

import hashlib
import re
from collections.abc import Iterator

from redmine_mailbridge.mail.message import Address, Attachment, LeftOut, Message, TextFormat

MAX_SUBJECT = 255
NO_SUBJECT = "(no subject)"
_CHUNK = 1 << 20
_OFFTAG = re.compile(r"<(?=/?(?:code|pre|kbd|notextile))", re.IGNORECASE)
"""What would end code or start a second one; Redmine's Textile escapes everything else within it by itself."""


def literal(text: str, text_format: TextFormat) -> str:
    """Given words of a stranger, return them as code in the markup, where Redmine brings nothing to life.

    One line, at most 500 characters, without control characters, and without what would end the code.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500].replace("{{", "{ {")
    if text_format == "textile":
        return f"<code>{_OFFTAG.sub(chr(0x2039), line)}</code>"
    return f"`{line.replace('`', chr(0x2019))}`" if line else "` `"


def person(address: Address, text_format: TextFormat) -> str:
    """Given an address, return name and address as harmless markup."""
    return literal(str(address) or "nobody", text_format) if address.address else literal("no address", text_format)


def named(address: Address, cc: tuple[Address, ...], claim: str | None, text_format: TextFormat) -> str:
    """Given who wrote, the Cc that are not ours, and the login that is claimed without proof, return the first lines.

    They stand there when the bridge's own user writes, so that everybody sees who did.
    """
    lines = [f"From: {person(address, text_format)}"]
    if claim is not None:
        lines.append(f"(bears the address of the Redmine user {literal(claim, text_format)}; nothing proves it)")
    if cc:
        shown = ", ".join(person(other, text_format) for other in cc[:20])
        lines.append(f"Cc: {shown}" + (f" and {len(cc) - 20} more" if len(cc) > 20 else ""))
    return line_break(text_format).join(lines)


def line_break(text_format: TextFormat) -> str:
    """The hard line break of the markup."""
    return "\n" if text_format == "textile" else "  \n"


def left_out_lines(left_out: tuple[LeftOut, ...], text_format: TextFormat) -> str:
    """Given the parts that did not become files, return the lines that name them; "" when there are none."""
    shown = [f"* {literal(part.name, text_format)}: {literal(part.why, text_format)}" for part in left_out[:50]]
    if len(left_out) > 50:
        shown.append(f"* and {len(left_out) - 50} more")
    return "Not attached:\n\n" + "\n".join(shown) if shown else ""


def compose(message: Message, text: str, first: str, text_format: TextFormat) -> str:
    """Given the person's text and the first lines ("" for none), return the whole text."""
    lines = left_out_lines(message.left_out, text_format)
    if message.truncated:
        lines = "\n\n".join(filter(None, ("This mail is larger than the limit; only its beginning was read.", lines)))
    return "\n\n".join(part for part in (first, text.strip("\n"), lines) if part)


def subject_of(message: Message) -> str:
    """The subject of the issue: the mail's, or "(no subject)", cut at Redmine's 255 characters."""
    return (" ".join(message.subject.split()) or NO_SUBJECT)[:MAX_SUBJECT]


def cut(text: str, limit: int) -> tuple[str, str]:
    """Given a text and a limit in bytes of UTF-8 (0: none), return what fits, ending at a line where there is one,
    and the rest.
    """
    encoded = text.encode("utf-8", "replace")
    if not limit or len(encoded) <= limit:
        return text, ""
    head = encoded[:limit].decode("utf-8", "ignore")
    line = head.rfind("\n")
    head = head[:line] if line > len(head) // 2 else head
    return head, text[len(head) :].lstrip("\n")


def as_attachment(name: str, text: str, taken: tuple[Attachment, ...]) -> Attachment:
    """Given a text that does not fit, return it as a file whose name is not among those taken."""
    content = text.encode("utf-8", "replace")
    names = {attachment.name for attachment in taken}
    base, number = name, 1
    while name in names:
        number += 1
        name = f"{base.removesuffix('.txt')}-{number}.txt"

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), _CHUNK):
            yield content[start : start + _CHUNK]

    digest = hashlib.sha256(content).hexdigest()
    return Attachment(name, "text/plain; charset=utf-8", len(content), digest, inline=False, chunks=chunks)
