"""Code as Redmine shows it: nothing in it is active, and it can be copied unchanged, without an invisible character.

Redmine leaves code alone when it shows a text, but for two things. A macro that begins in it and ends elsewhere takes
what lies between away, and a login behind an @ notifies a user: that is looked for in the text as it is stored, and
code is passed over only where it is fenced (CommonMark, Markdown) or is in <pre> (Textile), outside of quotes.
Where one of both may be, code is written otherwise: in CommonMark as HTML, of which any sign may be written by its
number; in the other formats, where no HTML or no number counts within code, by leaving the code for these signs.
"""

import re
from collections.abc import Callable, Sequence

from redmine_mailbridge.mail.text.characters import BAR, JOINER
from redmine_mailbridge.mail.text.control_characters import line_without_controls, without_controls
from redmine_mailbridge.mail.text.live_markup import MENTION, mentions
from redmine_mailbridge.model.mail import TextFormat

_FENCE = re.compile(r"```|~~~")
_OFFTAG = r"<(?=/?(?:code|pre|kbd|notextile))"
_TEXTILES_OWN = re.compile(rf"{_OFFTAG}|x%x%|redsh#", re.IGNORECASE)
_OPEN_MACRO = r"(?<=\{)\{(?=\w)(?!\w{1,100}(?:\([^\n]{0,1000}?\))?\}\})"
_ALIVE = rf"{_OPEN_MACRO}|{MENTION}|{BAR}"
_NOT_IN_MARKDOWN = re.compile(rf"`+|(?<=~~)~|{_ALIVE}")
_NOT_IN_TEXTILE = re.compile(rf"{_OFFTAG}|(?<=x)%(?=x%)|(?<=redsh)#|{_ALIVE}", re.IGNORECASE)
_BRACE = r"(?<=\{)\{(?=\w)(?!macro\([0-9]{1,9}\)\}\})"
"""`{{macro(0)}}` is how Redmine itself marks where it has taken a macro out: it stays whole, to be taken out and put
back; written otherwise it would be the place of another one.
"""
_NOT_IN_HTML = re.compile(rf"[&<>`~*_\[\]\\@|!#$^{BAR}]|(?<=www)\.|:(?=//)|{_BRACE}")
_NOT_IN_HTML_BLOCK = re.compile(rf"[&<>`~@]|{_BRACE}")
_UNFINISHED = re.compile(_OPEN_MACRO)
_MACRO = re.compile(r"(?<=\{)\{(?=\w)")
_EATS = re.compile(r"^(?:> )*>$", re.MULTILINE)
"""A line that Redmine takes away with the one below, as it looks for mentions: that may be the end of the code."""
_TASK = re.compile(r"\s{0,80}\[[ xX]\]")
_NOT_PLAIN = re.compile(r"[!-/:-@\[-`{-~]|\br(?=\d)")


def number(sign: str) -> str:
    """Given a sign, return it as HTML writes it by its number."""
    return f"&#{ord('|' if sign == BAR else sign)};"


def _numbered(match: re.Match[str]) -> str:
    return "".join(map(number, match[0]))


def code_span(text: str, text_format: TextFormat) -> str:
    """Given one line of text, return it as code within a line; "" for none."""
    text = line_without_controls(text)
    if text_format == "textile":
        return _apart(text, _NOT_IN_TEXTILE, lambda piece: f"<code>{piece}</code>")
    if text_format == "markdown":
        return _apart(text, _NOT_IN_MARKDOWN, _in_backticks)
    before = JOINER if _TASK.match(text) else ""  # Redmine 5.0 would make a box of a list's
    if not text.strip() or "`" in text or "~~~" in text or BAR in text or mentions(text) or _UNFINISHED.search(text):
        return f"{before}<code>{_NOT_IN_HTML.sub(_numbered, text)}</code>" if text else ""
    return before + (f"` {text} `" if text[0] == text[-1] == " " else f"`{text}`")


def _in_backticks(piece: str) -> str:
    """Redcarpet takes the blanks at both ends of code away: they stand outside."""
    bare = piece.strip(" ")
    begins = len(piece) - len(piece.lstrip(" "))
    return f"{piece[:begins]}`{bare}`{piece[begins + len(bare) :]}" if bare else piece


def _apart(text: str, special: re.Pattern[str], code: Callable[[str], str]) -> str:
    """What is between the special signs as code, and these by their numbers."""
    pieces: list[str] = []
    at = 0
    if special.search(text):  # no macro is whole then for certain
        special = re.compile(f"{special.pattern}|{_MACRO.pattern}", special.flags)
    for match in special.finditer(text):
        pieces += [code(text[at : match.start()])] if match.start() > at else []
        pieces.append(_numbered(match))
        at = match.end()
    return "".join([*pieces, code(text[at:])] if at < len(text) else pieces)


def code_block(
    lines: Sequence[str], text_format: TextFormat, *, language: str = "", quoted: bool = False, in_list: bool = False
) -> list[str]:
    """Given lines of code, return them as a block of code; a blank line must stand before and behind it.

    `quoted`: each line of it will stand behind quote marks; lines that must not are one string with line ends.
    `in_list`: a list item precedes it.
    """
    lines = [line.rstrip() for line in without_controls("\n".join(lines)).split("\n")]
    text = "\n".join(lines)
    odd = bool(_UNFINISHED.search(text)) or (mentions(text) and (quoted or _EATS.search(text) is not None))
    if text_format == "textile":
        if odd or _TEXTILES_OWN.search(text):
            return _as_prose(lines)
        return [f"<pre>\n{text}\n</pre>"] if quoted else ["<pre>", *lines, "</pre>"]
    if not (odd or _FENCE.search(text) or (quoted and (in_list or text_format == "markdown"))):
        return [f"    {line}" if line else "" for line in lines] if quoted else [f"```{language}", *lines, "```"]
    return _as_html(lines) if text_format == "common_mark" else _as_prose(lines)


def _as_html(lines: Sequence[str]) -> list[str]:
    """A block of HTML, which ends with the line that holds its last tag (CommonMark section 4.6)."""
    html_lines = [_NOT_IN_HTML_BLOCK.sub(_numbered, line) for line in lines]
    html_lines[0] = "<pre><code>" + html_lines[0]
    html_lines[-1] += "</code></pre>"
    return html_lines


def _as_prose(lines: Sequence[str]) -> list[str]:
    """Lines of text that read like the code: its signs by their numbers, its blanks kept."""
    blank = number("\xa0")
    prose_lines = []
    for line in lines:
        bare = line.expandtabs(4)
        indent = len(bare) - len(bare.lstrip(" "))
        prose_lines.append(
            blank * indent + _NOT_PLAIN.sub(_numbered, bare[indent:]).replace("  ", " " + blank) or blank
        )
    return prose_lines
