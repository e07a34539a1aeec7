"""The team's signature: a template below mail to customers, behind the line by which reply programs cut it. Pure."""

import html as markup
import re
from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.mail.message_ids import TO_TEAM
from redmine_mailbridge.util.dataclass import dataclass

SIGNATURE = "signature"
"""The template's name: it has no subject, and the built-in one is empty."""
UNSIGNED = TO_TEAM | {"budget", "alert"}
"""The kinds of mail without a signature: those to the team and to admins."""
_DELIMITER = re.compile(r"\s*--[ \t]*(?:\n|$)")
_OF_MAIL = ("mailbox", "redmine_url", "now", "issue")


@dataclass(frozen=True, slots=True)
class TeamSignature:
    """The signature of one mail, without its delimiter; both texts are "" if there is none."""

    text: str = ""
    html: str = ""

    def names(self, agent: str, anonymous: "TeamSignature") -> bool:
        """Given an agent's name and the signature of the same template without one, return whether this names the
        agent, in its text and in its HTML, so that the mail need not. The name may also be a part of other words in it.
        """
        in_html = markup.escape(agent)
        return (
            bool(agent)
            and self.text.count(agent) > anonymous.text.count(agent)
            and self.html.count(in_html) > anonymous.html.count(in_html)
        )


def signature_variables(variables: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    """Given the variables of a mail and of its frame, return those of its signature: `agent.name` is the agent who
    wrote the mail, and "" if none did or the note ends with the agent's name.
    """
    note = variables.get("note", {})
    agent = "" if note.get("signed") else str(note.get("author", ""))
    return {**{name: around[name] for name in _OF_MAIL if name in around}, "agent": {"name": agent}}


def as_signature(text: str, html: str) -> TeamSignature:
    """Given what the template gave (no HTML: it is made from the text), return the signature, without the delimiter
    that the template may have itself.
    """
    delimiter = _DELIMITER.match(text)
    words = text[delimiter.end() if delimiter is not None else 0 :].strip("\n").rstrip()
    if not words.strip():
        return TeamSignature()
    page = html.strip() or "<br>\n".join(markup.escape(line) for line in words.splitlines())
    return TeamSignature(words, page)
