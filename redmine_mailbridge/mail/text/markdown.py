"""Words in CommonMark, and in the Markdown of Redmine up to 5.1 (Redcarpet): nothing in them is markup, or alive.

CommonMark: any sign of ASCII may stand behind a backslash (section 2.4); a sign written by its number is that sign to
Redmine, which looks for its own syntax in what was made of the text. Redcarpet: a backslash counts before some signs
only, and a number stays one in what it makes, so that Redmine finds nothing there.
"""

import re
from urllib.parse import quote

from redmine_mailbridge.mail.text.characters import JOINER, MARK
from redmine_mailbridge.mail.text.code import number
from redmine_mailbridge.mail.text.live_markup import AT, BANG, STILL, marked, mentions
from redmine_mailbridge.model.mail import TextFormat

_SLASH = {
    "common_mark": re.compile(r"\\(?=[!-/:-@\[-`{-~\ufdd0-\ufdef]|$)"),
    "markdown": re.compile(r"\\(?=[\\`*_{}\[\]()#+\-.!:|&<>^~=\"$\ufdd0-\ufdef]|$)"),
}
_TASK = re.compile(r"(?<!!)\[(?=[ xX]\])")
_EMPHASIS = re.compile(r"(?<![\w*\\])(\*{1,2})(?![\s*])[^*\n]{1,400}(?<![\s\\])\1(?![\w*])")
_STAR = re.compile(r"\*(?!\s)|(?<!\s)\*")
_UNDER = re.compile(r"_{2,400}|(?<![A-Za-z0-9\s])_|_(?![A-Za-z0-9\s])|(?<=\s)_(?=\S)|(?<=\S)_(?=\s)")
_TILDE = re.compile(r"~(?!\s)|(?<!\s)~")
_TAG = re.compile(r"<(?=[A-Za-z0-9/!?\ufdd0-\ufdef]|$)")
_ENTITY = re.compile(r"&(?=#[xX]?[0-9A-Fa-f]{1,8};|[A-Za-z][A-Za-z0-9]{1,40};)")
_FIRST = re.compile(
    r"(?P<before> {0,3})(?:(?P<number>\d{1,9})(?=[.)](?:[ \t]|$))|(?=#{1,6}(?:[ \t]|$)|[-+*](?:[ \t]|$)|[>\[]"
    r"|[-=]{1,2000}[ \t]*$|[|:][-:| \t]{0,2000}$|-[-:| \t]{0,2000}$))"
)
_DELIMITERS = re.compile(r"(?P<before> {0,3})(?=[|:-][-: \t]{0,400}(?:\|[-:| \t]{0,400}-|-[-: \t]{0,400}\|))")
_PLAIN = re.compile(
    r"(?:https?|ftp)://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][\w\-.:/?#@!$&'()+,;=%]*)?"
)
_MAIL = re.compile(
    r"[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,60}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,60}[A-Za-z0-9])?){0,8}"
)
_NUMBERED_STILL = re.compile(rf"{STILL}(?:(?=&#|{AT}|\\)|(.))", re.DOTALL)


def inert(text: str, text_format: TextFormat, *, start: bool, typed: bool) -> str:
    """Given words without code, return them as they are read. `start`: they begin their line. `typed`: they are of a
    text that somebody typed, where words between *stars* stay emphasis; else they may stand within a link.
    """
    line = marked(text, certain=typed and text_format == "common_mark", start=start)
    if "\\" in line:
        line = _SLASH[text_format].sub(r"\\\\", line)
    if "`" in line:
        line = line.replace("`", "\\`")
    if "*" in line:
        line = _stars(line, typed=typed)
    if "_" in line:
        line = _UNDER.sub(lambda match: "\\_" * len(match[0]), line)
    if "~" in line:
        line = _TILDE.sub(r"\\~", line)
    if "<" in line:
        line = _TAG.sub(r"\\<", line)
    if "&" in line:
        line = _ENTITY.sub(r"\\&", line)
    if "!" + MARK in line:
        line = line.replace("!" + MARK, "\\!" + MARK)  # before a link it would make a picture
    if text_format == "common_mark":
        line = _TASK.sub(f"[{JOINER}", line)  # Redmine 5.0 looks for it in the page, behind marks of any kind
    line = _brackets(line, text_format, typed=typed)
    if start and (first := _FIRST.match(line) or (_DELIMITERS.match(line) if text_format == "markdown" else None)):
        line = line[: first.end()] + "\\" + line[first.end() :]
    return _put_in(line, text_format)


def _stars(line: str, *, typed: bool) -> str:
    if not typed:
        return _STAR.sub(r"\\*", line)
    pieces: list[str] = []
    at = 0
    for kept in _EMPHASIS.finditer(line):
        pieces += [_STAR.sub(r"\\*", line[at : kept.start()]), kept[0]]
        at = kept.end()
    return "".join([*pieces, _STAR.sub(r"\\*", line[at:])])


def _brackets(line: str, text_format: TextFormat, *, typed: bool) -> str:
    if text_format == "markdown":
        line = line if typed else line.replace("]", number("]"))
        return line.replace("[", number("[")).replace("^", "\\^")
    if not typed:
        return line.replace("[", "\\[").replace("]", "\\]")
    return line.replace("](", "]\\(")


def _put_in(line: str, text_format: TextFormat) -> str:
    """Put in what the marks stand for."""
    if STILL in line or AT in line:
        if text_format == "markdown":
            line = _NUMBERED_STILL.sub(lambda match: number(match[1]) if match[1] else "", line)
        line = line.replace(STILL, JOINER).replace(AT, number("@"))
    return line.replace(BANG, "!")


def address(text: str, text_format: TextFormat, *, bracketed: bool, tail: str = "", stuck: bool = False) -> str:
    """Given an address of the web or of mail, which was in <> or not, and the part of the sentence directly after
    it, return it so that it is a link to itself.
    """
    if bracketed and _MAIL.fullmatch(text.removeprefix("mailto:")):
        return f"<{text}>{tail}"
    plain = (
        _PLAIN.fullmatch(text)
        and not mentions(text)
        and not _ENTITY.search(text + tail)
        and text.count("(") == text.count(")")
    )
    if plain and (bracketed or not (stuck or text.endswith("_") or tail.strip(".,:;?!)"))):
        return f"<{text}>{tail}" if bracketed else text + tail
    words = inert(tail, text_format, start=False, typed=False) if tail else ""
    if plain and not text.startswith("www."):
        return f"<{text}>{words}"
    if bracketed and "://" not in text:
        return inert(f"<{text}>{tail}", text_format, start=False, typed=False)
    shown = inert(text, text_format, start=False, typed=False).replace("://", "\\://", 1).replace("www.", "www\\.", 1)
    url = f"http://{text}" if text.startswith("www.") else text
    target = quote(url, safe=":/?#!$&+,;=%").replace("~", "%7E")
    target = _ENTITY.sub("&amp;", target) if text_format == "common_mark" else target
    link = f"[{shown}]({target})"
    return f"\\<{link}>{words}" if bracketed else link + words
