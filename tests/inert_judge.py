"""What must be true of a stranger's text, or of the HTML of a mail, when Redmine shows what was made of it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import lxml.html

from redmine_mailbridge.mail.html.read import read_html
from redmine_mailbridge.mail.text.escaping import inert_in_bulk, make_inert
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.size_limits import CUT_MARK
from redmine_mailbridge.redmine.text_cleaning import cut_in_two
from tests import hostile_texts
from tests.hostile_texts import Text

JOINER = "\u2060"
_ACTIVE = ".//img|.//script|.//style|.//iframe|.//form|.//input|.//abbr|.//svg|.//*[@onclick or @onerror]"
_NOT_TYPED = ".//table|.//h1|.//h2|.//h3|.//h4|.//h5|.//h6|.//del|.//ins|.//sup|.//sub|.//cite|.//dl|.//u"
_HARMLESS = re.compile(r"external|email|language-\S+|\S+ syntaxhl|syntaxhl \S+")
_OURS = re.compile("[\ufdd0-\ufdef]")


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of a stranger's words into an issue: `given` yields so many of them by a seed, `make` is what is written of
    one, and `judge` what is wrong with what Redmine shows: of the text, the page, and the words that would notify.
    """

    given: Callable[[int, int], Iterator[Text]]
    make: Callable[[Text, TextFormat], str]
    judge: Callable[[Text, str, tuple[str, ...]], list[str]]


def of_text(given: Text, page: str, mentioned: tuple[str, ...]) -> list[str]:
    """Of a text that somebody typed: nothing is alive, it reads the same, its code can be copied."""
    root = _tree(page)
    found = [*_alive(root, mentioned), *(f"has <{one.tag}>" for one in root.xpath(_NOT_TYPED))]
    found += [f"links {one.text_content()!r} to {one.get('href')}" for one in root.xpath(".//a") if not _to_itself(one)]
    if (wanted := _folded(given.text)) != (shown := _folded(_shown(root))):
        found.append(f"reads {shown!r}\n      not {wanted!r}")
    said, code = (
        _blanks_folded(root.text_content()),
        "".join(one.text_content() for one in root.xpath(".//pre|.//code")),
    )
    changed = [line for line in given.codes if _blanks_folded(line) not in said and line.split()[0] in code]
    return found + [f"code is not as it was: {line}" for line in changed]


def codes_kept(given: Text, page: str) -> int:
    """How many lines of its code stand in a page as they were; those of a fence that ends by another line do not."""
    said = _blanks_folded(_tree(page).text_content())
    return sum(_blanks_folded(line) in said for line in given.codes)


def of_words(given: Text, page: str, mentioned: tuple[str, ...], *, links: bool = True) -> list[str]:
    """Of what is left of a text: nothing is alive, and links lead where they say, or as the mail's own `links` do."""
    root, known = _tree(page), set()
    if links and "<a " in given.text:
        known = {_plain(link.get("href") or "") for link in _tree(given.text).xpath(".//a")}
    others = [one for one in root.xpath(".//a") if not _to_itself(one) and _plain(one.get("href") or "") not in known]
    return [*_alive(root, mentioned), *(f"links {one.text_content()!r} to {one.get('href')}" for one in others)]


def of_long(given: Text, page: str, mentioned: tuple[str, ...]) -> list[str]:
    """Of a text that is too long for niceties: nothing is alive. Its code may hold joiners."""
    return [one for one in of_words(given, page, mentioned, links=False) if not one.startswith("hides ")]


def of_name(given: Text, page: str, mentioned: tuple[str, ...]) -> list[str]:
    """Of a stranger's name in a line of ours: nothing is alive, and it reads the same."""
    shown = "".join(_tree(page).text_content().replace(JOINER, "").split())
    wanted = "".join("".join(one if one.isprintable() else " " for one in given.text).split())
    wrong = [f"reads {shown!r}\n      not {wanted!r}"] if shown != f"From:{wanted}." else []
    return of_words(given, page, mentioned) + wrong


def of_pictures(given: Text, page: str, mentioned: tuple[str, ...]) -> list[str]:
    """Of a page with pictures of the mail: each is shown, by its name and nothing else; nothing else is alive."""
    root, wanted = _tree(page), given.text.count("cid:")
    pictures = root.xpath(".//img")
    found = [one for one in of_words(given, page, mentioned) if one != "has <img>"]
    found += [f"shows {len(pictures)} pictures, not {wanted}"] if len(pictures) != wanted else []
    known = [one.get("src", "").rpartition("/")[2] for one in pictures]
    return found + [f"shows {one}" for one in known if unquote(one) not in PICTURES]


def of_page(given: Text, page: str, mentioned: tuple[str, ...]) -> list[str]:
    """Of the HTML of a mail: nothing is alive but its own links, which lead where they say, and no word is lost."""
    source = _tree(given.text)
    for line in source.xpath(".//br|.//hr"):
        line.tail = " " + (line.tail or "")
    root = _tree(page)
    found = list(_alive(root, mentioned))
    targets = {_plain(link.get("href") or "") for link in source.xpath(".//a")}
    for link in root.xpath(".//a"):
        said, target = link.text_content(), link.get("href") or ""
        if not _to_itself(link) and _plain(target) not in targets:
            found.append(f"links {said!r} to {target}")
        if re.match(r"\s*(?:https?://|www\.)\w", said) and not _to_itself(link) and _host(said) != _host(target):
            found.append(f"shows {said!r} and leads to {target}")
    wanted, shown = _folded(_OURS.sub("", _shown(source, numbers=False))), _folded(_shown(root, numbers=False))
    if (left := _lost(wanted, shown)) is not None:
        found.append(f"loses {left!r} of {wanted!r}\n      reads {shown!r}")
    return found


def _tree(page: str) -> lxml.html.HtmlElement:
    """A page as a tree, without the signs that Redmine puts beside headings."""
    root = lxml.html.fragment_fromstring(page, create_parent="div")
    for anchor in root.xpath('.//a[@class="wiki-anchor"]'):
        anchor.drop_tree()
    return root


def _alive(root: lxml.html.HtmlElement, mentioned: tuple[str, ...]) -> Iterator[str]:
    """What Redmine or a browser would act on; and what keeps code from being copied."""
    yield from (f"mentions {name}" for name in mentioned if name.strip(".-@_"))
    yield from (f"has <{one.tag}>" for one in root.xpath(_ACTIVE))
    yield from (f"is styled: {one.get('style')}" for one in root.xpath(".//*[@style]"))
    classes = [one.get("class", "").strip() for one in root.xpath(".//*[@class]")]
    yield from (f"has class {one}" for one in classes if not _HARMLESS.fullmatch(one))
    code = "".join(one.text_content() for one in root.xpath(".//pre|.//code"))
    yield from (f"hides {sign!r} in code" for sign in (JOINER, "\u200b", "\ufeff") if sign in code)


def _to_itself(link: lxml.html.HtmlElement) -> bool:
    """Does a link lead where its text says?"""
    href, said = unquote(link.get("href") or ""), unquote(link.text_content()).replace(JOINER, "")
    return href in {said, f"mailto:{said}", f"http://{said}"} or href.rstrip("/") == said.rstrip("/")


def _shown(root: lxml.html.HtmlElement, *, numbers: bool = True) -> str:
    """The text of a page, with the numbers of its lists."""
    for numbered in root.xpath(".//ol") if numbers else ():
        begin = int(numbered.get("start") or 1)
        for index, item in enumerate(numbered.xpath("./li")):
            item.text = f" {begin + index}.{item.text or ''}"
    for line in root.xpath(".//br|.//li|.//p|.//tr|.//td|.//th"):
        line.tail = " " + (line.tail or "")
    return str(root.text_content())


def _folded(text: str) -> str:
    """A text without what may be shown otherwise: white space, and the marks of lists, quotes, code, and stars."""
    text = re.sub(r"<(?=https?://|ftp://|mailto:|[^\s<>@]+@[^\s<>@]+>)", "", text)
    text = re.sub(r"(\d)\)", r"\1.", text)
    return re.sub(rf"[\s`*>~+\-{JOINER}\xa0]|mailto:", "", text)


def _blanks_folded(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").split())


def _plain(address: str) -> str:
    return unquote(re.sub(r"[\x00-\x20]+", "", address)).rstrip("/").lower()


def _host(address: str) -> str:
    text = address.strip().lower()
    place = re.split(r"[/?#]", text.partition("://")[2] or text, maxsplit=1)[0]
    return place.rpartition("@")[2].removeprefix("www.")


def _lost(wanted: str, shown: str) -> str | None:
    """What of a text is not there in its order; None when all is. What is shown may hold more: where links lead."""
    at = 0
    for index, sign in enumerate(wanted):
        at = shown.find(sign, at) + 1
        if not at:
            return wanted[max(index - 10, 0) : index + 10]
    return None


def _cut(given: Text, text_format: TextFormat) -> str:
    """The text in two, as one is written that has too many bytes for Redmine, with what stands between the halves."""
    made = make_inert(given.text, text_format)
    kept, rest = cut_in_two(made, max(200, len(made.encode()) * (len(given.text) % 97) // 97))
    return f"{kept}{CUT_MARK}\n\n{rest}"


PICTURES = ("a.png", "image@2x.png", "a(b)!{{toc}} #1 ~x~ _y_.png", "[[x]]`@admin`&#64;.png")


def pictures(_seed: int, count: int) -> Iterator[Text]:
    """The HTML of mails with pictures of theirs at each place where one can stand."""
    around = (
        "x {} y",
        "x{}y",
        "wow!{}!",
        "<b>{} x</b><i>{}</i>",
        "<ul><li>{}{}</ul>",
        "<code>x{}</code>:http://e.example",
    )
    more = (
        "<a href='http://e.example/x'>{}</a>",
        "({}) [{}](http://e.example)",
        '"{}":http://e.example',
        "{}:/logout {}:x",
    )
    pages = (
        "<table><tr><th>a<td>{} | {}</table>",
        "<blockquote>{}</blockquote>{{{{toc}}}}{}",
        "<h1>{}</h1>{{color:red}}{}%",
    )
    for number in range(count):
        place = (*around, *more, *pages)[number % 13]
        picture = f'<img src="cid:{number // 13 % len(PICTURES)}">'
        yield Text(f"<p>{place.format(picture, picture)}</p>", ())


KINDS = {
    "texts": Kind(hostile_texts.texts, lambda given, form: make_inert(given.text, form), of_text),
    "pages": Kind(hostile_texts.pages, lambda given, form: read_html(given.text, {}, form, ()).whole, of_page),
    "replies": Kind(hostile_texts.replies, lambda given, form: read_html(given.text, {}, form, ()).written, of_words),
    "quoted": Kind(hostile_texts.replies, lambda given, form: read_html(given.text, {}, form, ()).quoted, of_words),
    "pictures": Kind(
        pictures,
        lambda given, form: read_html(given.text, {str(n): name for n, name in enumerate(PICTURES)}, form, ()).whole,
        of_pictures,
    ),
    "names": Kind(hostile_texts.names, lambda given, form: f"From: {literal(given.text, form)}.", of_name),
    "cut": Kind(hostile_texts.texts, _cut, of_words),
    "long": Kind(hostile_texts.texts, lambda given, _form: inert_in_bulk(given.text), of_long),
}
"""What is written: texts as they were typed; the HTML of mails, whole, what is left of a reply, what was taken from it;
pages with pictures of the mail's own; names; texts in two halves, and those that are too long for niceties."""
