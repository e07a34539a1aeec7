"""The text of an issue or note: what the person wrote, and the few lines that the bridge adds and why."""

from redmine_mailbridge.mail.text.code import code_span
from redmine_mailbridge.model.mail import Address, LeftOut, Message, TextFormat
from redmine_mailbridge.model.trace import Steps
from redmine_mailbridge.policy.field_names import no_subject

MAX_SUBJECT = 255
PART = 400
"""Characters of a long line in one line of code."""


def literal(text: str, text_format: TextFormat) -> str:
    """Given words of a stranger, return them as code in the markup, where Redmine brings nothing to life.

    One line, at most 500 characters, without control characters.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]
    return code_span(line or " ", text_format)


def literal_lines(text: str, text_format: TextFormat) -> str:
    """Given words of a stranger of any length on one line, return the whole of them as lines of code in the markup."""
    parts = [text[at : at + PART] for at in range(0, len(text), PART)]
    return line_break(text_format).join(literal(part, text_format) for part in parts)


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
        lines = "\n\n".join(
            filter(
                None,
                (
                    "Only the beginning of this mail was read: it is too large, or the mail server handed out no more.",
                    lines,
                ),
            )
        )
    return "\n\n".join(part for part in (first, text.strip("\n"), lines) if part)


def subject_of(message: Message, language: str) -> str:
    """The subject of the issue: the mail's on one line, or "(no subject)" in Redmine's default language."""
    return " ".join(message.subject.split()) or no_subject(language)


def size_in_redmine(text: str) -> int:
    """Given a description, return the bytes it takes in a database: UTF-8, with CRLF."""
    return len(text.encode("utf-8", "replace")) + text.count("\n")


def say_what_is_cut(steps: Steps, text: str, limit: int, subject: str = "") -> None:
    """Given a text, its limit in bytes (0: none) and a subject, note what will be cut, and attached whole, on its way
    to Redmine (redmine/size_limits.py).
    """
    if limit and size_in_redmine(text) > limit:
        steps.add("the text is longer than description_limit; the whole of it is attached")
    if len(subject) > MAX_SUBJECT:
        steps.add("the subject is longer than Redmine takes; the whole of it is attached")
