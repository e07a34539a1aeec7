"""text/enriched and text/richtext (RFC 1896) as plain text: what is said, without how it shall look."""

import re

_ENRICHED = re.compile(r"<<|<(/?)([A-Za-z0-9-]{1,60})>|\n+")


def plain_of_enriched(text: str) -> str:
    """Given text/enriched (RFC 1896), return its text: no commands, no parameters, single line ends as blanks."""
    texts: list[str] = []
    at = skipped = 0
    text = text.replace("\r\n", "\n")
    for match in _ENRICHED.finditer(text):
        if not skipped:
            texts.append(text[at : match.start()])
        at = match.end()
        if (match[2] or "").lower() == "param":
            skipped = max(skipped - 1, 0) if match[1] else skipped + 1
        elif match[0] == "<<" and not skipped:
            texts.append("<")
        elif match[0].startswith("\n") and not skipped:
            texts.append(" " if match[0] == "\n" else match[0][1:])
    return "".join([*texts, "" if skipped else text[at:]])
