"""What Redmine links or expands in a note becomes words: a customer cannot open a wiki page, and what a macro includes
may be private. Pure; every quantifier is bounded.
"""

import re
from collections.abc import Callable, Mapping

from redmine_mailbridge.mail.text.characters import JOINER

_TAGS = re.compile(r"</?(?:code|pre|kbd|notextile)(?:\s[^<>\n]{0,100})?>", re.IGNORECASE)
_MACRO_BEGINS = re.compile(r"\s{0,20}\{\{[a-z_]{1,40}(?:\([^()\n]{0,300}\))?\s{0,20}")
MACROS = (
    "toc",
    "include",
    "child_pages",
    "macro_list",
    "hello_world",
    "collapse",
    "thumbnail",
    "issue",
    "recent_pages",
)
"""Macros of Redmine itself. Others come from plugins and are known by their arguments; {{name}} alone may be text."""
_MACRO = re.compile(
    rf"(?P<escaped>!?)\{{\{{(?:(?:{'|'.join(MACROS)})(?:\((?P<arguments>[^{{}}\n]{{0,500}})\))?"
    r"|[a-z_][\w-]{0,60}\([^{}\n]{0,500}\))\}\}",
    re.IGNORECASE,
)
PLACE = "\ufdd5"
"""A sign that no note contains: it is removed from what agents write."""
_PICTURE = re.compile(
    rf"!\[{PLACE}\d{{1,6}}{PLACE}\]\(<[^<>\n]{{1,300}}>\)|![^!\n]{{1,1000}}\({PLACE}\d{{1,6}}{PLACE}\)!"
)
_DESCRIPTION = re.compile(rf"{PLACE}\d{{1,6}}{PLACE}")
_THUMBNAIL = re.compile(r"(?<!!)\{\{thumbnail\(\s{0,10}([^,(){}\n]{1,300}?)\s{0,10}(?:,[^(){}\n]{0,300})?\)\}\}")
_WIKI = re.compile(r"(!?)\[\[([^\[\]\n|]{0,300})(?:\|([^\[\]\n]{1,300}))?\]\]")
_NAMED = re.compile(
    r"(?<![\w/:.@-])(?:[a-z0-9][a-z0-9_-]{0,99}:)?"
    r"(?:document|attachment|version|source|export|news|forum|message|project):(?:\"([^\"\n]{1,300})\"|(?=\w)([^\s\"<>]{1,300}))"
)
_USER = re.compile(r"(?<![\w/:.@-])(user#\d{1,10}|user:[\w.@-]{1,60})(?![\w@-])")
_MENTION = re.compile(r"(?<![\w/:.@-])@([A-Za-z0-9_][\w.@-]{0,59})")
_ALERT = re.compile(r"\s{0,5}\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s{0,5}")

NameOf = Callable[[str], str]
"""Given a user of Redmine as "#5" or by login, the name that customers read; "" for any other."""


def no_name(_user: str) -> str:
    """No user has a name."""
    return ""


def lines_of(note: str) -> list[str]:
    """Given a note, return its lines."""
    return note.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_brace(line: str) -> bool:
    """Is this line only the start or the end of a macro that encloses text?"""
    return _MACRO_BEGINS.fullmatch(line) is not None or line.strip() == "}}"


def thumbnails_as_pictures(note: str, picture: Callable[[str, str], str]) -> tuple[str, dict[str, str]]:
    """Given a note, return it with each {{thumbnail(FILE)}} written as a picture of its format, made by `picture` from
    the file's name and a description that no note contains; and by picture the macro, which code keeps.
    """
    macros: dict[str, str] = {}

    def written(match: re.Match[str]) -> str:
        made = picture(match[1], f"{PLACE}{len(macros)}{PLACE}")
        macros[made] = match[0]
        return made

    return (_THUMBNAIL.sub(written, note), macros) if "{{" in note else (note, macros)


def macros_restored(macros: Mapping[str, str], text: str) -> str:
    """Given the macros by picture, and a text of the parsed note, return the text with the macros that did not become
    pictures.
    """
    if PLACE not in text:
        return text
    text = _PICTURE.sub(lambda match: macros.get(match[0], match[0]), text)
    return _DESCRIPTION.sub("", text)


def in_words(text: str, name_of: NameOf = no_name) -> str:
    """Given a text of a note outside of code, return it without macros, links to Redmine's pages, logins, code tags,
    and the joiners that keep strangers' text from being parsed as Redmine markup.
    """
    if (alert := _ALERT.fullmatch(text)) is not None:
        return f"{alert[1].capitalize()}:"
    if "{{" in text:
        text = _MACRO.sub(lambda match: match[0][1:] if match["escaped"] else "", text)
    if "[[" in text:
        text = _WIKI.sub(_of_wiki, text)
    if ":" in text or "#" in text:
        text = _USER.sub(lambda match: name_of(match[1].removeprefix("user").removeprefix(":")), text)
        text = _NAMED.sub(lambda match: match[1] or match[2], text)
    if "@" in text:
        text = _MENTION.sub(lambda match: _of_mention(match[1], name_of), text)
    return _TAGS.sub("", text).replace(JOINER, "")


def _of_wiki(match: re.Match[str]) -> str:
    """The label of a link to a wiki page, or the page's title: neither its project nor its section."""
    if match[1]:
        return match[0][1:]
    return match[3] or match[2].rpartition(":")[2].partition("#")[0]


def _of_mention(login: str, name_of: NameOf) -> str:
    """A mentioned user's name. What follows the login in the sentence stays; of others, the sign stays."""
    bare = login.rstrip(".-@_")
    for candidate in dict.fromkeys((login, bare)):
        if name := name_of(candidate):
            return name + login[len(candidate) :]
    return f"@{login}"
