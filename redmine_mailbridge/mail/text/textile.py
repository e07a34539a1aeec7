"""Words in Textile: nothing in them is markup, or alive.

After RedCloth as Redmine has it (lib/redmine/wiki_formatting/textile/redcloth3.rb): a paragraph's lines are joined
before marks are looked for, so that one may open in a line and close in another; a sign that is written by its number
stays so in what is made, where neither Textile nor Redmine takes it for the sign.
"""

import re

from redmine_mailbridge.mail.text.characters import BAR, JOINER
from redmine_mailbridge.mail.text.code import number
from redmine_mailbridge.mail.text.live_markup import AT, STILL, marked, mentions

_RUN = re.compile(r"(?:^|(?<=[>\s(*\ufdd0-\ufdef]))[*_+^~%?-]{1,8}(?=\S|$)")
_LAST_RUN = re.compile(r"(?<![^>\s(*\ufdd0-\ufdef])[*_+^~%?-]{1,8}$")
_CLOSES = re.compile(r"(?:(?<=\S)|(?<=\n))(\?\?|[*_+^~%-])(?=[!-/:-@\[-`{-~\ufdd0-\ufdef]|\s|$)")
_AT = re.compile(r"(?<![A-Za-z0-9_])@")
_ENTITY = re.compile(r"&(?=[#a-z0-9]{1,40};)", re.IGNORECASE)
_BAD_AND = re.compile(r"&(?![A-Za-z0-9]{1,40}(?:[=&/.,-]|$))")
_TAG = re.compile(r"<(?=[\w/!?\ufdd0-\ufdef]|$)")
_PICTURE = re.compile(r"(?:^|(?<=[\s>(\ufdd0-\ufdef]))!(?!\s)")
_LINK = re.compile(r'"(?=:(?:/|[A-Za-z]{1,20}://|www\.|mailto:))')
_SCHEME = re.compile(r"(https?(?=://)|ftps?(?=://)|www(?=\.))([:.])")
_AMONG_MARKS = re.compile(r"(?<![A-Za-z0-9])[*_+^~%-]|[*_+^~%-](?![A-Za-z0-9])|\?\?")
_STRONG = re.compile(r"(\*{1,2})[^\W_][^*\n]{0,400}(?<=\S)\1(?=[\s.,;:!?)]|$)")
_NOTE = re.compile(r"(?<=\w)\[(?=\d{1,40}\])")
_MEANING = re.compile(r"(?<![A-Za-z0-9])([A-Z][A-Z0-9]{1,100})\(")
_RAW = re.compile(r"(?:^|(?<=[\s\ufdd0-\ufdef]))==(?=[^=]|$)")
_MAIL_AND = re.compile(r"(@[A-Za-z0-9.-]{1,250})(?=&)")
_OWN = re.compile(r"(?<=x)%(?=x%|&)|(?<=redsh)#")
_BLOCK = re.compile(r"(?:p|bq|h[1-6]|fn\d{1,40}|notextile|table|pre|bc)(?=[^\sA-Za-z0-9,;!?'\"])")
_LIST = re.compile(r"[#*]{1,400}(?=[ \[({#*<>=~^-])")
_PLAIN_LIST = re.compile(r"\*{1,6} ")
_CELL = re.compile(r"[^|A-Za-z0-9]{0,400}(?:[({\[][^|\n]{0,2000}[)}\]])?[^|A-Za-z0-9]{0,20}\|")
_PLAIN = re.compile(
    r"(?:(?:https?|s?ftps?)://|www\.)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][\w\-.:/?#@!$&'()+,;=%~]*)?"
)


def closing_marks(paragraph: str) -> str:
    """Given a paragraph, return the marks in it that may close what one of its lines opens."""
    return "".join(sorted({"%", *(match[0] for match in _CLOSES.findall(paragraph))}))  # "&" is x%x% while it looks


def begun(line: str, *, typed: bool) -> str:
    """Given a whole line, return it with marks where its beginning is markup: a block's, a list's, a table's.

    `typed`: somebody typed it, so that stars are a list.
    """
    bare = line.lstrip(" ")
    indent = line[: len(line) - len(bare)]
    if bare.startswith("```"):
        return indent + STILL + bare  # in the other formats a fence: who cuts a text knows no format
    if _BLOCK.match(bare):
        return indent + bare[0] + STILL + bare[1:]
    if _LIST.match(bare) and not (typed and _PLAIN_LIST.match(bare)):
        return indent + STILL + bare
    if cell := _CELL.match(bare):
        return indent + bare[: cell.end() - 1] + BAR + bare[cell.end() :]
    return line


def inert(words: str, *, typed: bool, closing: str, among: bool = False, more: bool = False) -> str:
    """Given words of one line, return them as they are read. `typed`: somebody typed them, so that words between
    *stars* stay emphasis. `closing`: see `closing_marks`. `among`: marks that are markup will stand in the line.
    `more`: code or an address follows.
    """
    text = marked(words, certain=False)
    if "&" in text:
        text = _ENTITY.sub(number("&"), text)
    if "<" in text:
        text = _TAG.sub("&lt;", text)
    if "@" in text:
        text = _AT.sub(AT, text)
    if "!" in text:
        text = _PICTURE.sub(JOINER + "!", text)
    if '"' in text:
        text = _LINK.sub(number('"'), text)
    if "[" in text:
        text = _NOTE.sub("[" + JOINER, text)
    if "(" in text:
        text = _MEANING.sub(lambda match: match[1] + number("("), text)
    if "==" in text:
        text = _RAW.sub(number("=") + "=", text)
    if "://" in text or "www." in text:
        text = _SCHEME.sub(lambda match: match[1] + number(match[2]), text)
    text = _marks(text, typed=typed, closing=closing, among=among)
    text = _LAST_RUN.sub(lambda match: JOINER + match[0], text) if more and not among else text
    text = text.replace(STILL, JOINER).replace(AT, number("@")).replace(BAR, number("|"))
    if "x%" in text or "redsh#" in text:
        text = _OWN.sub(lambda match: number(match[0]), text)
    return _MAIL_AND.sub(r"\1" + JOINER, text) if "@" in text and "&" in text else text


def _marks(text: str, *, typed: bool, closing: str, among: bool) -> str:
    """The marks of emphasis in words: by their numbers among others that are markup, else kept apart."""
    if among:
        return _AMONG_MARKS.sub(lambda match: "".join(map(number, match[0])), text)
    return _RUN.sub(lambda match: _run(match, closing, typed=typed), text) if closing else text


def address(text: str, *, before: str, tail: str, stuck: bool, closing: str, among: bool) -> str:
    """Given an address of the web, the text directly before and after it, return it: as it is where Redmine makes a
    link of it and of nothing else, otherwise as words.
    """
    alone = before[-1:] in {"", " ", "\t", "(", ",", ";", STILL} and not stuck and not tail.strip(".,:?!)>")
    alone = alone and not _BAD_AND.search(text + tail) and not _MEANING.search(text + tail)
    if alone and _PLAIN.fullmatch(text) and not mentions(text):
        if among and _AMONG_MARKS.search(text):
            alone = False
        if alone and text.count("(") == text.count(")") and "x%x%" not in text:
            return text + tail
    return inert(text + tail, typed=False, closing=closing, among=among, more=stuck)


def _run(match: re.Match[str], closing: str, *, typed: bool) -> str:
    """A run of marks that may open something: separated from the text before it, if one of them also closes. Stars
    may stay, but not before what would be a style.
    """
    run = match[0]
    kept = typed and not run.strip("*") and _STRONG.match(match.string, match.start()) is not None
    return run if kept or not any(sign in closing for sign in run) else JOINER + run
