"""Compares the text that a mail became with the one that was recorded."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handler.cases import Case


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded; `better` names the reason when it is meant."""

    what: str
    better: str = ""


def text(
    case: Case, wanted: Mapping[str, Any], ours: str, *, named: bool = False, reply: bool = False
) -> Iterator[Difference]:
    """Compare a text with white space folded. `named`: its first lines say who wrote."""
    ours = ours.replace("\r\n", "\n")
    assertions = case.told.get("assertions") or {}
    for text in assertions.get("contains", ()):
        if folded(text) not in folded(_shown(ours)):
            yield Difference(f"the text lacks {text!r}")
    for text in assertions.get("not_contains", ()):
        if text in ours:
            yield Difference(f"the text holds {text!r}")
    not_line = assertions.get("not_line")
    if not_line and re.search(not_line, ours, re.MULTILINE):
        yield Difference(f"the text has a line like {not_line}")
    ours, gap, files = ours.partition("\n\nNot attached:\n\n")
    if gap:
        yield Difference(f"not attached: {files}", "named")
    if named:
        ours = "\n".join(ours.split("\n\n", 1)[1:])
    if hashlib.sha256(ours.encode()).hexdigest() == wanted["sha256_lf"] or _fits(wanted, ours):
        return
    both = all(kind in case.mail for kind in (b"multipart/mixed", b"text/plain", b"text/html"))
    why = next((reason for reason, holds in _meant_texts(wanted, ours, reply=reply, both=both) if holds), "")
    chars = wanted["chars"]
    yield Difference(f"the text: {len(ours)} characters and not {chars}: {ours[:60]!r} … {ours[-60:]!r}", why)


def _meant_texts(wanted: Mapping[str, Any], ours: str, *, reply: bool, both: bool) -> Iterator[tuple[str, bool]]:
    """Yield each reason for which a text may differ, and whether it is that. `both`: there are texts of two types."""
    shown = folded(_shown(ours))
    yield "inert", _fits(wanted, _shown(ours))
    yield "decoded", "text" in wanted and _only_unknown(folded(wanted["text"]), shown)
    yield "formatting", bool(_words(ours)) and _bare_fits(wanted, ours)
    yield "quoted", reply and bool(shown) and folded(wanted.get("text") or wanted["starts"]).startswith(shown[:60])
    yield "text", wanted["chars"] == 0 and bool(shown)
    yield "text", both and bool(wanted["chars"]) and shown.startswith(folded(wanted.get("text") or wanted["starts"]))


def _fits(wanted: Mapping[str, Any], ours: str) -> bool:
    if "text" in wanted:
        return folded(wanted["text"]) == folded(ours)
    begins, ends = folded(wanted["starts"]), folded(wanted["ends"])
    long_enough = abs(len(ours.strip()) - wanted["chars"]) <= max(12, wanted["chars"] // 50)
    return folded(ours).startswith(begins) and folded(ours).endswith(ends) and long_enough


def _only_unknown(wanted: str, ours: str) -> bool:
    """Do two texts differ only where the recorded one has the sign for a character that could not be read?"""
    pieces = (re.escape(piece) for piece in re.split("[\ufffd?]+", wanted)) if re.search("[\ufffd?]", wanted) else ()
    return re.fullmatch(".{1,4}".join(pieces), ours) is not None


def _words(text: str) -> list[str]:
    """The letters and digits of a text, without the addresses of links and the numbers of lists."""
    text = re.sub(r"(?m)^\d+\. |</?[a-z]{1,6}>", "", text)
    return re.findall(r"[^\W_]+", re.sub(r"\]\([^)\s]*\)|<https?:[^>\s]*>", "]", folded(_shown(text))))


def _bare_fits(wanted: Mapping[str, Any], ours: str) -> bool:
    if "text" in wanted:
        return _words(wanted["text"]) == _words(ours)
    begins, ends, words = _words(wanted["starts"])[:-1], _words(wanted["ends"])[1:], _words(ours)
    likely = wanted["chars"] * 0.6 < sum(map(len, words)) < wanted["chars"]
    return likely and words[: len(begins)] == begins and words[len(words) - len(ends) :] == ends


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    return " ".join(composed(text).split())


def decoded(wanted: str, ours: str) -> bool:
    """False when ours has a character where the recorded text has only the sign for one that is unknown."""
    unknown = re.sub("\ufffd+", lambda found: f".{{1,{len(found[0])}}}", re.escape(folded(wanted)))
    return "\ufffd" not in wanted or re.fullmatch(unknown, folded(ours)) is None


def _shown(text: str) -> str:
    """Given a text in markup, return it as Redmine shows it: without what keeps it from coming to life."""
    plain = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))
    plain = re.sub(r"(?m)^    |  $", "", plain)
    plain = re.sub(r"!(?=#\d|\[\[|@\w)", "", plain)
    return re.sub("[\u200b\u200c\u200d\u2060\ufeff]", "", plain)
