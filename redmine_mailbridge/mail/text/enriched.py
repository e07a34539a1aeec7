"""text/enriched and text/richtext (RFC 1896) as plain text: what is said, without how it shall look."""

import re

_ENRICHED = re.compile(r"<<|<(/?)([A-Za-z0-9-]{1,60})>|\n+")


def plain_of_enriched(text: str) -> str:
    """Given text/enriched (RFC 1896), return its text: no commands, no parameters, single line ends as blanks."""
    said: list[str] = []
    at = skipped = 0
    text = text.replace("\r\n", "\n")
    for found in _ENRICHED.finditer(text):
        if not skipped:
            said.append(text[at : found.start()])
        at = found.end()
        if (found[2] or "").lower() == "param":
            skipped = max(skipped - 1, 0) if found[1] else skipped + 1
        elif found[0] == "<<" and not skipped:
            said.append("<")
        elif found[0].startswith("\n") and not skipped:
            said.append(" " if found[0] == "\n" else found[0][1:])
    return "".join([*said, "" if skipped else text[at:]])
