"""Tell what a person wrote from what a mail program quoted below, above or between it. Structure first.

Everything is judged line by line, each line at most a fixed number of times: linear on any input.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from redmine_mailbridge.mail.text import signature
from redmine_mailbridge.mail.text.attribution import Attributions
from redmine_mailbridge.mail.text.introductions import (
    end_of_quote,
    heal,
    is_forward,
    is_original,
    is_reply_above,
    names_original,
    veil_code,
)
from redmine_mailbridge.mail.text.lines import TextLine, analyse_lines
from redmine_mailbridge.mail.text.quote_words import SIGN_OFFS
from redmine_mailbridge.mail.text.quoted_header import HeaderBlocks, looks_like_block
from redmine_mailbridge.util.dataclass import dataclass

_WORDY = re.compile(r"\w")
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class SplitText:
    """A text, split: what was written, what was cut ("" when nothing), and in one phrase by which rule.

    `whole` is all of it, up to the admin's delimiter where there is one (`delimited`).
    """

    written: str
    quoted: str = ""
    rule: str = ""
    whole: str = ""
    delimited: bool = False


@dataclass(frozen=True, slots=True)
class QuoteVerdict:
    """Which lines are kept, and by which rule the others are not ("" when all are)."""

    keep: list[bool]
    rule: str = ""
    delimiter: int | None = None
    """The line at which the admin's delimiter ends the text, of a new mail too."""
    footer: int | None = None
    """The line at which a mailing list's footer begins that ends the text, of a new mail too."""

    @property
    def ends(self) -> int | None:
        """The line behind the text of a new mail; None when all of it is that."""
        return self.footer if self.delimiter is None else self.delimiter


def split_reply(text: str, delimiters: Sequence[re.Pattern[str]] = ()) -> SplitText:
    """Given plain text with \\n line ends and the admin's delimiters, split it. Pure; linear; never raises."""
    raws = text.split("\n")
    verdict = judge(raws, delimiters)
    kept = [raw for raw, keep in zip(raws, verdict.keep, strict=True) if keep]
    cut = [raw for raw, keep in zip(raws, verdict.keep, strict=True) if not keep]
    whole = "\n".join(raws[: verdict.ends]).strip("\n")
    return SplitText(
        "\n".join(kept).strip("\n"), "\n".join(cut).strip("\n"), verdict.rule, whole, verdict.delimiter is not None
    )


def judge(
    raws: Sequence[str],
    delimiters: Sequence[re.Pattern[str]] = (),
    marked: Sequence[bool] = (),
    attributions: Sequence[bool] = (),
) -> QuoteVerdict:
    """Given lines, delimiters, and which lines the HTML marks as quoted or as an attribution, say which lines are
    what was written.

    Only the first MOST_LINES are judged: the others go with the last of these.
    """
    head = raws[:MOST_LINES]
    others = len(raws) - len(head)
    work = _Work(head, analyse_lines(head, marked), bool(marked) and any(marked))
    work.attributions.believe(attributions[:MOST_LINES])
    work.cut_at_delimiter(delimiters)
    work.cut_quotes()
    if not others:
        work.cut_tail()
    else:
        work.keep.extend([work.keep[-1]] * others)
    if not any(keep and _WORDY.search(raw) for keep, raw in zip(work.keep, raws, strict=True)):
        return QuoteVerdict([True] * len(raws))
    footer = None if others else signature.list_footer_start(work.lines, len(head))
    return QuoteVerdict(work.keep, work.rule if not all(work.keep) else "", work.delimiter, footer)


class _Work:
    """One text being judged: `end` is the first line that is cut with all that follow, up to `limit`."""

    def __init__(self, raws: Sequence[str], lines: Sequence[TextLine], by_html: bool) -> None:
        self.raws = raws
        self.lines = heal(veil_code(lines))
        self.by_html = by_html
        self.attributions = Attributions(self.lines)
        self.blocks = HeaderBlocks(self.lines)
        self.keep = [True] * len(raws)
        self.end = len(raws)
        self.limit = len(raws)
        self.rule = ""
        self.delimiter: int | None = None
        self._text_lines: list[int] | None = None
        self._quoted_lines: list[int] | None = None

    def _drop(self, start: int, end: int, rule: str) -> None:
        for index in range(start, end):
            self.keep[index] = False
        self.rule = self.rule or rule

    def _cut(self, start: int, rule: str) -> None:
        """Cut from `start` to the end of what is left."""
        self._drop(start, self.end, rule)
        self.end = start

    def _text_before(self, index: int) -> bool:
        return any(
            self.keep[i] and not line.blank and not line.quoted and _WORDY.search(line.bare)
            for i, line in enumerate(self.lines[:index])
        )

    def cut_at_delimiter(self, delimiters: Sequence[re.Pattern[str]]) -> None:
        """Cut below the first of the admin's delimiters, also when it was quoted or wrapped over two lines."""
        if not delimiters:
            return
        for index, line in enumerate(self.lines):
            if not line.bare:
                continue
            tries = [line.bare, self.raws[index][:1000].strip()]
            if index + 1 < len(self.lines) and self.lines[index + 1].bare:
                tries.append(f"{line.bare} {self.lines[index + 1].bare}")
            if any(pattern.fullmatch(text) for pattern in delimiters for text in tries):
                self._cut(index, "delimiter")
                self.delimiter = index
                return

    def cut_quotes(self) -> None:
        """Find the first thing that begins a quote and runs to the end; pass over quotes that are answered."""
        index = 0
        has_words = False
        while index < self.end:
            line = self.lines[index]
            if line.blank or line.quoted:
                index += 1
                continue
            if is_forward(line.bare) and not (self.rule and not self.keep[index]):
                self.limit = self.end = index
                return
            quote = self._begins_quote(index)
            if quote is None:
                has_words = has_words or bool(_WORDY.search(line.bare))
                index += 1
                continue
            rule, behind = quote
            moved = self._attributed(index, behind, has_words) if rule == "attribution line" else None
            if rule == "attribution line" and moved is not None:
                index = moved
                continue
            if has_words:
                self._cut(self._with_rule_above(index), rule)
            return

    def _begins_quote(self, index: int) -> tuple[str, int] | None:  # noqa: PLR0911  # a ladder of verdicts
        """Does a quote begin here? Return the rule's name and the index behind its introduction."""
        line = self.lines[index]
        behind = self.attributions.at(index)
        if behind is not None:
            return "attribution line", behind
        behind = self.blocks.at(index)
        if behind is not None:
            return "header block", behind
        if line.bare[0].isalnum() or len(line.bare) > 130:
            return None
        if is_original(line.bare):
            return "original message line", index + 1
        if signature.is_rule(line.bare) and looks_like_block(self.lines, index + 1):
            return "header block", index + 1
        if is_reply_above(line.bare):
            return "reply-above line", index + 1
        return None

    def _attributed(self, start: int, behind: int, has_words: bool) -> int | None:
        """An attribution: cut it with its quote. Return where to continue, or None to cut everything from here."""
        quote_end = end_of_quote(self.lines, behind, self.end)
        if quote_end is None:
            if has_words:
                return None
            if not any("@" in line.bare for line in self.lines[start:behind]):
                return behind
            self._drop(start, behind, "attribution line")
            return self.end
        texts = self._texts()
        place = bisect_left(texts, quote_end)
        if place == len(texts):
            return None if has_words else self.end
        first_answer, last_answer = texts[place], texts[-1]
        answered = self._quoted_between(quote_end, last_answer)
        closing = self.lines[first_answer].bare.casefold().split(",")[0].strip(" .!;-") in SIGN_OFFS
        if not answered and (not has_words or (closing and len(texts) - place <= 3)):
            self._drop(start, quote_end, "attribution line")
        return quote_end

    def _texts(self) -> list[int]:
        """Which lines are text, leaving out the signatures, footers and quotes that end the mail? Made once."""
        if self._text_lines is None:
            end = self.end
            for _ in range(2):
                for find, _rule in _TAILS:
                    stop = find(self.raws, self.lines, end)
                    end = end if stop is None else stop
                while end and (self.lines[end - 1].blank or self.lines[end - 1].quoted):
                    end -= 1
            self._text_lines = [
                i
                for i, line in enumerate(self.lines[:end])
                if not line.blank and not line.quoted and _WORDY.search(line.bare)
            ]
        return self._text_lines

    def _quoted_between(self, start: int, end: int) -> bool:
        if self._quoted_lines is None:
            self._quoted_lines = [i for i, line in enumerate(self.lines) if line.quoted]
        place = bisect_left(self._quoted_lines, start)
        return place < len(self._quoted_lines) and self._quoted_lines[place] < end

    def _with_rule_above(self, index: int) -> int:
        """A drawn line right above the introduction belongs to it."""
        above = index - 1
        while above >= 0 and self.lines[above].blank:
            above -= 1
        if above < 0:
            return index
        bare = self.lines[above].bare
        dashed = bare.startswith("---") and bare.endswith("---") and len(bare) <= 100
        return above if dashed or signature.is_rule(bare) or names_original(bare) else index

    def cut_tail(self) -> None:
        """Remove what is below the text: trailing quotes, signatures, footers; at most a few rounds."""
        for _ in range(8):
            before = self.end
            while self.end and (self.lines[self.end - 1].blank or not self.keep[self.end - 1]):
                self.end -= 1
            self._trailing_quote()
            for find, rule in _TAILS:
                start = find(self.raws, self.lines, self.end)
                if start is not None and self._text_before(start):
                    self._drop(start, self.end, rule)
                    self.end = start
            if self.end == before:
                break
        self._footer_inside()

    def _trailing_quote(self) -> None:
        start = self.end
        while start and (self.lines[start - 1].quoted or self.lines[start - 1].blank):
            start -= 1
        first = next((i for i in range(start, self.end) if self.lines[i].quoted), None)
        if first is None or not self._text_before(start):
            return
        last = self.lines[start - 1].bare
        introduced = last.endswith((":", "：")) and self.attributions.at(start - 1) is None
        speaks = any(
            self.attributions.at(i) is not None or self.blocks.at(i) is not None
            for i in range(first, min(first + 3, self.end))
        )
        if introduced and not speaks and not self.by_html:
            return
        self._drop(start, self.end, "trailing quote")
        self.end = start

    def _footer_inside(self) -> None:
        """A telephone's footer ends the text, also when an unmarked quote follows it."""
        for index in range(1, self.end):
            line = self.lines[index]
            if (
                self.keep[index]
                and not line.quoted
                and not line.blank
                and (self.lines[index - 1].blank or self.lines[index - 1].quoted or not self.keep[index - 1])
                and signature.is_strong_footer(line.bare)
                and (index + 1 == self.end or self.lines[index + 1].blank or not line.bare.endswith((",", ".")))
            ):
                if self._text_before(index) and not any(
                    other.quoted and self.keep[i] for i, other in enumerate(self.lines[:index])
                ):
                    self._drop(index, self.end, "mobile footer")
                    self.end = index
                return


def _no_raws(
    find: Callable[[Sequence[TextLine], int], int | None],
) -> Callable[[Sequence[str], Sequence[TextLine], int], int | None]:
    def adapted(_raws: Sequence[str], lines: Sequence[TextLine], end: int) -> int | None:
        return find(lines, end)

    return adapted


def _trailing_rule(lines: Sequence[TextLine], end: int) -> int | None:
    return end - 1 if end and signature.is_rule(lines[end - 1].bare) else None


_TAILS: tuple[tuple[Callable[[Sequence[str], Sequence[TextLine], int], int | None], str], ...] = (
    (signature.signature_start, "signature"),
    (_no_raws(signature.footer_start), "mobile footer"),
    (_no_raws(signature.list_footer_start), "mailing list footer"),
    (_no_raws(signature.card_start), "signature"),
    (_no_raws(_trailing_rule), "separator"),
)
