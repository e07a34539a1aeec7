"""Splits an escaped text in two: nothing becomes active because its escape is in the other half.

Complete code keeps its content inactive. In text, each character that could be active has its escape
still. The text may be in any of the formats; what marks code in one is words in another, where it may be, too.
"""

import re

from redmine_mailbridge.mail.text.characters import JOINER

_INLINE = re.compile(r"(?:\\.|`[^`]*`|<code>(?:(?!</code>).)*</code>|[^`\\<]|<(?!code>))*")
_BEGINS_PRE = re.compile(r"^(?:> )*<pre>(?:<code>|$)", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```", re.MULTILINE)
_PLAIN = re.compile(r"(?!r?\d)[^\s!-/:-@\[-`{-~]{1,400}(?:[\s,;]|$)")
MOST_CLOSED = "\n</pre>\n```"
"""What is put behind a text that is cut, at most."""


def divided(text: str, at: int) -> tuple[str, str]:
    """Given a text that was made inert and so many of its characters that fit, return what of it is kept and the rest.

    It is cut between lines; a first line that does not fit, between words, or where it must be. Code that is cut is
    closed, with at most MOST_CLOSED, and continues in the rest.
    """
    if not at:
        return "", text
    newline = text.rfind("\n", 0, at + 1)
    if newline > 0 and text[:newline].strip():
        return _in_blocks(text[:newline], text[newline + 1 :])
    if any(_open(text[:at])):
        return _in_blocks(text[:at], text[at:])
    apart = text.rfind(" ", 0, at) + 1
    at = apart if apart and not (text[at - 1].isalnum() and text[at : at + 1].isalnum()) else at
    words = _INLINE.match(text, 0, at)
    if words and 0 < words.end() < at:
        at = words.end()  # before the code in which it would be cut
    elif words and words.end() < at and text.startswith(("`", "<code>")):
        opens, closes = ("`", "`") if text[0] == "`" else ("<code>", "</code>")
        return text[:at] + closes, opens + text[at:]
    rest = text[at:]
    plain = not rest.strip() or _PLAIN.match(rest.lstrip())
    return text[:at], rest if plain else JOINER + rest  # no line began there


def _open(text: str) -> tuple[bool, bool]:
    """Is a text's end within a <pre>, or within a fence?"""
    if len(_FENCE.findall(text)) % 2:
        return False, True
    outside_fences = _FENCED.sub("", text)
    begins = [match.end() for match in _BEGINS_PRE.finditer(outside_fences)]
    return bool(begins) and "</pre>" not in outside_fences[begins[-1] :], False


def _in_blocks(kept: str, rest: str) -> tuple[str, str]:
    """Both halves of a text, with the code in which it was cut whole in each."""
    preformatted, fenced = _open(kept)
    if preformatted:
        kept, rest = f"{kept}\n</pre>", f"<pre>\n{rest}"
    if not (preformatted or fenced):
        rest = rest.lstrip(" ")  # what is indented where a text begins is code in Textile
    if fenced:
        kept, rest = f"{kept}\n```", f"```\n{rest}"
    return kept, rest
