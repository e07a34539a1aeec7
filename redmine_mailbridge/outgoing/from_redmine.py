"""An agent's note in Redmine's markup, as people read it in a mail: plain text, and simple HTML that is safe."""

import html
import re
from typing import TYPE_CHECKING

from redmine_mailbridge.mail.text.characters import JOINER
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.outgoing.rendering import note as rendering
else:  # a pass in which no agent has written needs none of the libraries
    rendering = lazy_import("redmine_mailbridge.outgoing.rendering.note")


def unescaped(text: str) -> str:
    """Given a stranger's text that was made inert for Redmine, return it as it was written, near enough to quote."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace(JOINER, ""))
    return html.unescape(text)


def as_text(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as plain text."""
    return rendering.render(note, text_format).text


def as_html(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as HTML without scripts, styles of its own, pictures or links to other schemes."""
    return rendering.render(note, text_format).html
