"""What Redmine acts on in a text beside its markup: macros, wiki links, mentions, `#12` and its like; and where.

Redmine looks for these in the text as it is shown, but for mentions (also) and macros, which it looks for in the text
as it is stored. Here they are found in the text as it was written, which is how it is to be shown, and marked: the
formats put in at each mark what keeps it still there. The expressions follow MACROS_RE, LINKS_RE and parse_wiki_links
of Redmine's app/helpers/application_helper.rb, MENTION_PATTERN of its lib/redmine/acts/mentionable.rb, from 5.0 to
6.1.
"""

import re

STILL = "\ufde0"
"""Behind this, Redmine would see something: put in what keeps it from that."""
BANG = "\ufde1"
"""Here a "!" does: Redmine takes it away when it shows the text."""
AT = "\ufde2"
"""An @ that would notify a user, anywhere in the stored text."""

LINKED = "attachment|document|version|forum|news|message|project|commit|source|export|user"
"""What Redmine makes a link of behind such a word and a colon."""
MENTION = r"(?<![A-Za-z0-9_])@(?=[A-Za-z0-9_.@-])"

_WORKING = re.compile(
    r"(?P<certain>\{\{(?:hello_world|macro_list|child_pages|include|collapse|thumbnail|issue|recent_pages)"
    r"(?:\([^\n(){}]{0,300}\))?\}\})|\{(?=\{\w)"
)
_WIKI = re.compile(r"(?P<certain>\[\[[^\[\]\n|\\]{1,200}(?:\|[^\[\]\n|\\]{1,200})?\]\](?![(\[]))|\[(?=\\?\[)")
_LINK = re.compile(
    r"(?P<lead>[\s(,\-\[]|^|[>*_~+^%?@!\"'|\\`&\]#=:;{}$\ufdd0-\ufdef])"
    r"(?P<token>(?P<project>[a-z0-9_-]{1,100}:)?"
    rf"(?:(?:{LINKED})?"
    r"(?:\#\#?(?:\d|note)|@[A-Za-z0-9_.-])"
    r"|(?P<repository>[a-z0-9_-]{1,100}\|)?r\d"
    rf"|(?:{LINKED}):[^\s<>]))"
)
_REVISION = re.compile(r"r\d")
_NUMBER_ENDS = re.compile(r"(?:\d{1,20}|note)?(?:(?:\#note)?-\d{1,20})?(?=[\s,\]]|$|[.;:)?](?:[\s)\]]|$))", re.ASCII)
_LOGIN_ENDS = re.compile(r"[A-Za-z0-9_\-]{0,80}(?=[\s,\]]|$|[.;:)?](?:[\s)\]]|$))", re.ASCII)
_MAIL_TAIL = re.compile(r"[A-Za-z0-9_\-.]{1,200}\.[A-Za-z]{2}")
_NAME_ENDS = re.compile(r"[\w./-]{0,200}(?=\s|$)", re.ASCII)
_EATEN = re.compile(r"!(?=(?:[a-z0-9_-]{1,100}:)?:[^\s<>])")  # it is taken away although nothing follows
_MENTION = re.compile(MENTION)


def mentions(text: str) -> bool:
    """Would Redmine notify somebody of this text as it is stored?"""
    return "@" in text and _MENTION.search(text) is not None


def marked(text: str, *, certain: bool, start: bool = False) -> str:
    """Given a piece of a line as it is to be read, return it with a mark where Redmine would act.

    `certain`: a "!" may be used where Redmine certainly removes it. An existing "!" stays to be
    seen. `start`: the line begins here.
    """
    if "{{" in text:
        text = _WORKING.sub(lambda match: _held(match, certain=certain), text)
    if "[[" in text or "[\\[" in text:
        text = _WIKI.sub(lambda match: _held(match, certain=certain), text)
    if "!" in text:
        text = _EATEN.sub("!" + STILL, text)
    if "#" in text or "@" in text or ":" in text or _REVISION.search(text):
        text = _LINK.sub(lambda match: _link(match, certain=certain, start=start), text)
    return _MENTION.sub(AT, text) if "@" in text else text


def _held(match: re.Match[str], *, certain: bool) -> str:
    """A macro or a wiki link: the mark before it, or behind its first bracket, and behind those within it."""
    if certain and match["certain"]:
        return BANG + match["certain"]
    text = match.group()
    return text[0] + STILL + text[1:].replace("{{", "{" + STILL + "{").replace("[[", f"[{STILL}[")


def _link(match: re.Match[str], *, certain: bool, start: bool) -> str:
    lead, token = match["lead"], match["token"]
    if token[-2:-1] == "@":
        if len(token) > 2 and _MAIL_TAIL.match(match.string, match.end() - 1):
            return match.group()
        ends = _LOGIN_ENDS.match(match.string, match.end())
    elif token[-2:-1] == ":" and ":" in token[:-1] and not token[-1].isdigit():
        ends = None if token.startswith(("http", "mailto")) else _NAME_ENDS.match(match.string, match.end())
    else:
        ends = _NUMBER_ENDS.match(match.string, match.end())
    prefix = (match["project"] or "") + (match["repository"] or "")
    plain = "_" not in prefix  # which would be escaped
    sure = certain and plain and ends is not None and (lead in {" ", "\t", "(", ","} or (start and not lead))
    return lead + BANG + token if sure else lead + STILL + (prefix + STILL if prefix else "") + token[len(prefix) :]
