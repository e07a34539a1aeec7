"""Make what Redmine would act on in a stranger's text inert, so that it reads as it was written.

Two ways, as measured on Redmine 5.0 (Textile) and 6.1 (CommonMark). Redmine takes a leading "!" away from what it
would have linked: that is used in CommonMark where it is certain to be taken away (in Textile two of them would make
a picture). Everywhere else, and where a code span may be around it, a WORD JOINER (U+2060, no width, no break) before
the syntax keeps it from being seen. Code fences are inert by themselves except for macros. The expressions follow
LINKS_RE, MACROS_RE and parse_wiki_links of Redmine's app/helpers/application_helper.rb, and IMAGE_RE and BLOCK_RE of
its redcloth3.rb.
"""

import re

from redmine_mailbridge.mail.message import TextFormat

JOINER = "\u2060"
MOST_LINES = 10_000
LONGEST_LINE = 10_000
_LONG = 1_000
_MACRO = re.compile(r"\{\{(?=\w)")
_MACROS = re.compile(
    r"(?P<certain>\{\{(?:hello_world|macro_list|child_pages|include|collapse|thumbnail|issue|recent_pages)"
    r"(?:\([^\n(){}]{0,300}\))?\}\})|\{(?=\{\w)"
)
_WIKIS = re.compile(r"(?P<certain>\[\[[^\[\]\n|\\]{1,200}(?:\|[^\[\]\n|\\]{1,200})?\]\](?![(\[]))|\[(?=\\?\[)")
_LINK = re.compile(
    r"(?P<lead>[\s(,\-\[]|^|[>*_~+^%?@!\"'|\\`\ufdd0-\ufdef])"
    r"(?P<token>(?:[a-z0-9_-]{1,100}:)?"
    r"(?:(?:attachment|document|version|forum|news|message|project|commit|source|export|user)?"
    r"(?:\#\#?(?:\d|note)|@[A-Za-z0-9_])"
    r"|(?:[a-z0-9_-]{1,100}\|)?r\d"
    r"|(?:attachment|document|version|forum|news|message|project|commit|source|export|user):[^\s<>]))"
)
_NUMBER_ENDS = re.compile(r"(?:\#?\d{1,20}|note)?(?:(?:\#note)?-\d{1,20})?(?=[\s,\]]|$|[.;:)?](?:[\s)\]]|$))")
_LOGIN_ENDS = re.compile(r"[A-Za-z0-9_\-]{0,80}(?=[\s,\]]|$|[.;:)?](?:[\s)\]]|$))")
_MAIL_TAIL = re.compile(r"[A-Za-z0-9_\-.]{1,200}\.[A-Za-z]{2}")
_TEXTILE_IMAGE = re.compile(r"(?:^|(?<=[\s>\ufdd0-\ufdef]))!(?=[^\s!][^!\n]*!)")
_MARKDOWN_IMAGE = re.compile(r"!(?=\[(?!\[))")
_RAW_HTML = re.compile(
    r"<(?=[A-Za-z/!?])(?!(?:https?://|mailto:|ftp://)[^\s<>]{1,2000}>)(?![^\s<>@]{1,200}@[^\s<>@]{1,200}>)"
)
_ENTITY = re.compile(r"&(?=#[xX]?[0-9A-Fa-f]{1,8};|[A-Za-z][A-Za-z0-9]{1,31};)")
_TEXTILE_MARK = re.compile(r"(^|[\s(>\ufdd0])(?=([*_+^~%-]|\?\?)\S)")
_TEXTILE_MARK_BUT_STARS = re.compile(r"(^|[\s(>\ufdd0])(?=([_+^~%-]|\?\?)\S)")
_CODE_BEGINS = re.compile(r"(?<![A-Za-z0-9_])@")
_CODE_ENDS = re.compile(r"@(?![A-Za-z0-9_])")
_TEXTILE_NOTE = re.compile(r"(?<=\w)\[(?=\d{1,3}\])")
_TEXTILE_NUMBERS = re.compile(r" {0,80}(?=#{1,6} )")
_TEXTILE_TAG = re.compile(r"<(?=/?(?:pre|code|notextile|kbd|redpre)\b|!--)", re.IGNORECASE)
_TEXTILE_BLOCK = re.compile(r"(p|bq|h[1-6]|fn\d{1,3}|notextile|table|pre|bc)(?=[^\s.]{0,60}\.(?::\S{0,200})? )")
_TEXTILE_REF = re.compile(r" {0,80}\[[^\[\]\n]{1,200}\](?=https?:)")
# For what is too long for niceties: a joiner before, behind or around whatever might be live, by plain replacement.
_IN_BULK = {
    **{sign: JOINER + sign for sign in "#@"},
    **{sign: sign + JOINER for sign in "<&`~"},
    **{sign: JOINER + sign + JOINER for sign in "[!{"},
    "](": f"]{JOINER}(",
}
_BULK_WORD = re.compile(
    r"\b(?=r\d|(?:attachment|document|version|forum|news|message|project|commit|source|export|user):)"
    r"|^[ \t>]{0,80}(?=[^\s>A-Za-z]|(?:p|bq|h[1-6]|fn\d{1,3}|notextile|table|pre|bc)[^\s.]{0,60}\.)",
    re.MULTILINE,
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(?:-+|=+)[ \t]*$")
_HEADING = re.compile(r"( {0,3})(?=#{1,6}(?:[ \t]|$))")
_REFERENCE = re.compile(r"( {0,3})(?=\[[^\]\n]{1,300}\]:)")
_PRODUCT = re.compile(r"(?<=\w)\*(?=\w)")
_DUNDER = re.compile(r"(?<![\w\\])__(?=\w)")


def make_inert(text: str, text_format: TextFormat) -> str:
    """Given plain text for a field in `text_format`, return it so that Redmine shows it as written, with no
    macro, wiki link, mention, issue or other Redmine link, remote picture or HTML live in it.

    Changes as little as it can; text without any of these comes back as it is, white space apart.
    """
    lines = text.split("\n")
    head = lines[:MOST_LINES]
    done = _markdown(head) if text_format == "common_mark" else _textile(head)
    if len(lines) > MOST_LINES:
        done.append(inert_in_bulk("\n".join(lines[MOST_LINES:])))
    return "\n".join(done)


def inert_in_bulk(text: str) -> str:
    """Given text too long for niceties (more than MOST_LINES lines, a line over LONGEST_LINE characters), return it
    with joiners at all that might be live or a mark in either format. It reads the same."""
    text = _BULK_WORD.sub(rf"\g<0>{JOINER}", text)
    for sign, inert in _IN_BULK.items():
        text = text.replace(sign, inert)
    return text


def _markdown(lines: list[str]) -> list[str]:
    out: list[str] = []
    fence = ""
    above = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            out.append(_MACRO.sub("{" + JOINER + "{", line))
            if mark and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            above = ""
            continue
        if mark and not (mark.group(1)[0] == "`" and "`" in line[mark.end() :]):
            fence = mark.group(1)
            out.append(line)
            continue
        bare = line.lstrip("> \t")
        if _UNDERLINE.match(bare) and above:
            out.append(line[: len(line) - len(bare)].rstrip())
        out.append(inert_line(line, "common_mark", whole=True))
        above = bare.strip()
    return out


def _textile(lines: list[str]) -> list[str]:
    """A writer's *stars*, as emphasis or a list, are let be; what else would vanish into markup is kept to be read."""
    out: list[str] = []
    for line in lines:
        number = _TEXTILE_NUMBERS.match(line)
        marked = line[: number.end()] + JOINER + line[number.end() :] if number else line
        out.append(inert_line(textile_marks(marked, stars=False), "textile", whole=True))
    return out


def textile_marks(text: str, *, stars: bool = True) -> str:
    """Given one line, return it so that Textile takes none of its pairs of inline marks for markup."""
    if text.count("@") > 1:
        ends = max((match.start() for match in _CODE_ENDS.finditer(text)), default=0)
        # A joiner would not do: @code@ may begin and end beside anything but an ASCII letter, digit or _ (CODE_RE).
        text = _CODE_BEGINS.sub(lambda m: "&#64;" if m.start() < ends else "@", text)
    pattern = _TEXTILE_MARK if stars else _TEXTILE_MARK_BUT_STARS
    if len(text) > _LONG:
        return pattern.sub(rf"\1{JOINER}", text)
    return pattern.sub(lambda m: m[1] + JOINER if _closes(text, m) else m[1], text)


def _closes(text: str, match: re.Match[str]) -> bool:
    """Does the mark that opens here also close in this line, so that Textile would take both away?"""
    mark = match[2]
    if text.startswith("--", match.end()):
        return False
    place = text.find(mark, match.end() + len(mark))
    for _ in range(20):
        if place < 0:
            return False
        after = text[place + len(mark) : place + len(mark) + 1]
        if not text[place - 1].isspace() and not after.isalnum():
            return True
        place = text.find(mark, place + 1)
    return True


def inert_line(line: str, text_format: TextFormat, *, whole: bool) -> str:
    """Given one line outside of code, return it inert. `whole`: it is all of its line, so that block marks count.

    Noncharacters U+FDD0 to U+FDEF in it stand for markup that is put in later.
    """
    if not line.strip():
        return line
    if len(line) > LONGEST_LINE:
        return inert_in_bulk(line)
    markdown = text_format == "common_mark"
    code_about = markdown and ("`" in line or line.startswith(("    ", "\t")))
    if markdown:
        if whole:
            line = _markdown_line(line, certain=not code_about)
        if "![" in line:
            line = _MARKDOWN_IMAGE.sub("!" + JOINER if code_about else "!\\\\", line)
    else:
        line = _textile_line(line, whole=whole)
    bang = markdown and not code_about
    if "{{" in line:
        line = _MACROS.sub(lambda m: "!" + m["certain"] if bang and m["certain"] else _joined(m), line)
    if "[[" in line or "[\\[" in line:
        last = line.rfind("]")
        line = _WIKIS.sub(lambda m: _wiki(m, bang=bang, last=last), line)
    if any(sign in line for sign in "#@:r"):
        line = _LINK.sub(lambda m: _split_link(line, m, bang=bang), line)
    return line


def _joined(match: re.Match[str]) -> str:
    """Put the joiner behind the first bracket, and into what a certain match has after it as well."""
    text = match.group()
    return text[0] + JOINER + text[1:].replace("{{", "{" + JOINER + "{").replace("[[", f"[{JOINER}[")


def _wiki(match: re.Match[str], *, bang: bool, last: int) -> str:
    """A wiki link needs a ] behind it."""
    if bang and match["certain"]:
        return "!" + match["certain"]
    return _joined(match) if match.start() < last else match.group()


def _split_link(line: str, match: re.Match[str], *, bang: bool) -> str:
    lead, token = match["lead"], match["token"]
    if token[-2:-1] == "@":
        if _MAIL_TAIL.match(line, match.end() - 1) and len(token) > 2:
            return match.group()
        ends = _LOGIN_ENDS.match(line, match.end())
    elif token[-2:-1] == ":" and ":" in token[:-1] and not token[-1].isdigit():
        ends = (
            None
            if token.startswith(("http", "mailto"))
            else re.compile(r"[\w./-]{0,200}(?=\s|$)").match(line, match.end())
        )
    else:
        ends = _NUMBER_ENDS.match(line, match.end())
    certain = bang and ends is not None and lead in {"", " ", "\t", "(", ","}
    return f"{lead}!{token}" if certain else f"{lead}{JOINER}{token}"


def _markdown_line(line: str, *, certain: bool) -> str:
    """HTML, entities and what would be swallowed or become a heading, in CommonMark."""
    guard = "\\" if certain else ""
    if "<" in line:
        line = _RAW_HTML.sub("\\\\<" if certain else "<" + JOINER, line)
    if "&" in line:
        line = _ENTITY.sub("\\\\&" if certain else "&" + JOINER, line)
    if not guard:
        return line
    bare = line.lstrip("> ")
    marks = line[: len(line) - len(bare)]
    if bare.startswith("#"):
        bare = _HEADING.sub(r"\1\\", bare, count=1)
    elif bare.startswith("["):
        bare = _REFERENCE.sub(r"\1\\", bare, count=1)
    line = marks + bare
    if "*" in line:
        line = _PRODUCT.sub(r"\\*", line)
    return _DUNDER.sub(r"\\_\\_", line) if "__" in line else line


def _textile_line(line: str, *, whole: bool) -> str:
    """Images, blocks of code and what would be swallowed, in Textile."""
    if "!" in line:
        line = _TEXTILE_IMAGE.sub(JOINER + "!", line)
    if "[" in line:
        line = _TEXTILE_NOTE.sub("[" + JOINER, line)
    if "<" in line:
        line = _TEXTILE_TAG.sub("<" + JOINER, line)
    if whole:
        block = _TEXTILE_BLOCK.match(line)
        if block:
            line = line[:1] + JOINER + line[1:]
        reference = _TEXTILE_REF.match(line)
        if reference:
            line = line[: reference.end()] + " " + line[reference.end() :]
    return line
