"""The text of an issue or note: the person's text, and the few lines that the bridge adds."""

from redmine_mailbridge.mail.text.code import code_span
from redmine_mailbridge.model.mail import Address, LeftOut, Message, TextFormat
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.field_names import no_subject
from redmine_mailbridge.util.printable import printable_line

MAX_SUBJECT = 255
PART = 400
"""Characters of a long line in one line of code."""


def literal(text: str, text_format: TextFormat) -> str:
    """Given a stranger's text, return it as code in the markup, which Redmine does not interpret.

    One line, at most 500 characters, without control characters.
    """
    line = printable_line(text)[:500]
    return code_span(line or " ", text_format)


def literal_lines(text: str, text_format: TextFormat) -> str:
    """Given a stranger's text of any length on one line, return all of it as lines of code in the markup."""
    parts = [text[at : at + PART] for at in range(0, len(text), PART)]
    return line_break(text_format).join(literal(part, text_format) for part in parts)


def person(address: Address, text_format: TextFormat) -> str:
    """Given an address, return name and address as escaped markup."""
    return literal(str(address) or "nobody", text_format) if address.address else literal("no address", text_format)


def named(
    address: Address,
    cc: tuple[Address, ...],
    claim: str | None,
    text_format: TextFormat,
    through: tuple[str, Address] | None = None,
) -> str:
    """Given the sender, the Cc without the bridge's addresses, the login claimed without proof, and for a person whom a
    mail from another address names the words about that and that address, return the first lines.

    They are added if the bridge's own user writes, so that everyone sees the actual sender.
    """
    lines = [f"From: {person(address, text_format)}"]
    if through is not None:
        lines.append(through[0].format(person(through[1], text_format)))
    if claim is not None:
        lines.append(f"(uses the address of the Redmine user {literal(claim, text_format)}; this is not proven)")
    if cc:
        shown = ", ".join(person(other, text_format) for other in cc[:20])
        lines.append(f"Cc: {shown}" + (f" and {len(cc) - 20} more" if len(cc) > 20 else ""))
    return line_break(text_format).join(lines)


def line_break(text_format: TextFormat) -> str:
    """The hard line break of the markup."""
    return "\n" if text_format == "textile" else "  \n"


def left_out_lines(left_out: tuple[LeftOut, ...], text_format: TextFormat) -> str:
    """Given the parts that did not become files, return the lines that name them; "" if there are none."""
    shown = [f"* {literal(part.name, text_format)}: {literal(part.why, text_format)}" for part in left_out[:50]]
    if len(left_out) > 50:
        shown.append(f"* and {len(left_out) - 50} more")
    return "Not attached:\n\n" + "\n".join(shown) if shown else ""


def compose(message: Message, text: str, first: str, text_format: TextFormat) -> str:
    """Given the person's text and the first lines ("" for none), return the complete text."""
    lines = left_out_lines(message.left_out, text_format)
    if message.truncated:
        lines = "\n\n".join(
            filter(
                None,
                (
                    "Only the beginning of this mail was read: it is too large or was delivered incompletely.",
                    lines,
                ),
            )
        )
    return "\n\n".join(part for part in (first, text.strip("\n"), lines) if part)


def subject_of(message: Message, language: str) -> str:
    """The subject of the issue: the message's on one line, or "(no subject)" in Redmine's default language."""
    return " ".join(message.subject.split()) or no_subject(language)


def size_in_redmine(text: str) -> int:
    """Given a description, return the bytes it takes in a database: UTF-8, with CRLF."""
    return len(text.encode("utf-8", "replace")) + text.count("\n")


def say_what_is_cut(steps: Trace, text: str, limit: int, subject: str = "") -> None:
    """Given a text, its limit in bytes (0: none) and a subject, record what will be cut, and attached in full, before
    the request (redmine/size_limits.py).
    """
    if limit and size_in_redmine(text) > limit:
        steps.add("the text is longer than description_limit; the full text is attached")
    if len(subject) > MAX_SUBJECT:
        steps.add("the subject is too long for Redmine; the full subject is attached")
