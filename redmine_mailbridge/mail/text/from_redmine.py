"""A stranger's text as Redmine stores it, as its writer reads it in a mail."""

import html
import re

from redmine_mailbridge.mail.text.characters import JOINER


def unescaped(text: str) -> str:
    """Given a stranger's text that was made inert for Redmine, return it as it was written, near enough to quote."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace(JOINER, ""))
    return html.unescape(text)
