"""Untrusted text that a terminal, a log and a page can show."""


def printable_line(text: str, width: int | None = None) -> str:
    """Given any text, return it on one line: non-printable characters, including line breaks, become a space, and no
    two spaces follow each other. With a width in characters, longer text is cut and ends in "…".
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def printable_text(text: str) -> str:
    """Given any text, return it with its line ends and blanks; other non-printable characters become a space each."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def system_error(error: BaseException) -> str:
    """Given an error, return the operating system's words for it without its number: "Connection refused". "" if it
    is none of the system's, or has no words.
    """
    return (error.strerror or "") if isinstance(error, OSError) else ""
