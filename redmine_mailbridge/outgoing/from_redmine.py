"""An agent's note in Redmine's markup, as people read it in a mail: plain text, and simple HTML that is safe."""

import html
import re
from typing import TYPE_CHECKING, Protocol

from redmine_mailbridge.mail.text.characters import JOINER
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.outgoing import commonmark, textile
else:  # a pass in which no agent has written needs neither
    textile = lazy_import("redmine_mailbridge.outgoing.textile")
    commonmark = lazy_import("redmine_mailbridge.outgoing.commonmark")

LONGEST = 200_000
"""Characters of a note that are rendered."""


def unescaped(text: str) -> str:
    """Given a stranger's text that was made inert for Redmine, return it as it was written, near enough to quote."""
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace(JOINER, ""))
    return html.unescape(text)


def as_text(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as plain text."""
    return _renderer(text_format).as_text(note[:LONGEST])


def as_html(note: str, text_format: TextFormat) -> str:
    """Given a note, return it as HTML without scripts, styles of its own, pictures or links to other schemes."""
    return _renderer(text_format).as_html(note[:LONGEST])


class _Renderer(Protocol):
    """A module that renders notes of one format."""

    def as_text(self, note: str) -> str: ...

    def as_html(self, note: str) -> str: ...


def _renderer(text_format: TextFormat) -> _Renderer:
    if text_format == "textile":
        return textile
    return commonmark
