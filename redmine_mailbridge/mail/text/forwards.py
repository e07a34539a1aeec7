"""Find out from the text of a mail whom it forwards: the From of the header block above the forwarded mail.

Whoever wrote the forwarded mail also wrote everything below that block. So only the first block counts, and none does
where anything above it may be a block in a language whose words are not known, or a quote.
"""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part
from redmine_mailbridge.mail.text.attribution import Attributions
from redmine_mailbridge.mail.text.introductions import is_forward, is_original, veil_code
from redmine_mailbridge.mail.text.lines import TextLine, analyse_lines
from redmine_mailbridge.mail.text.quote_words import FORWARD_PREFIXES
from redmine_mailbridge.mail.text.quoted_header import HeaderBlocks, looks_like_block
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.util.dataclass import dataclass

MOST_LINES = 400
"""How many lines are searched: whoever forwards a mail writes little above it."""
MOST_PREFIXES = 20
_ADDRESS = re.compile(r"(?<![^\s<>()\[\]\",;:])[^\s<>()\[\]\",;:]{1,64}@[^\s<>()\[\]\"',;:]{1,255}'?")
"""An address from its first character on: what follows another one that it may hold, such as an apostrophe, is another
person's.
"""
LONGEST = 600
"""Characters of a block's From that are read: of a longer one the end, and with it the address, is not known."""
_PREFIX = re.compile(r"\s{0,9}(\w{1,15})\s{0,3}(?:\[\d{1,3}\])?[:：]\s{0,9}")
_DRESS = " \t\xa0*_\\|<>[]()\"'“”„,;"


@dataclass(frozen=True, slots=True)
class ForwardedText:
    """What the text of a mail shows of a forwarded one. `sender` is its writer, None if that is not certain;
    `announced`: a line above the block says that a mail is forwarded. `plain`: nothing in the text looks like a block
    or a quote.
    """

    sender: Address | None = None
    announced: bool = False
    plain: bool = True


NO_FORWARD = ForwardedText()


def read_forward(rows: Sequence[str], marked: Sequence[bool] = ()) -> ForwardedText:
    """Given the lines of a text, and which of them the HTML marks as quoted, return what they show. Pure; linear."""
    rows = rows[:MOST_LINES]
    lines = veil_code(analyse_lines(rows, marked[:MOST_LINES]))
    blocks, attributions = HeaderBlocks(lines), Attributions(lines)
    announced = expected = False
    for index, line in enumerate(lines):
        if line.blank or not line.bare:
            continue
        if (end := blocks.at(index)) is not None:
            certain = announced or not line.quoted
            return ForwardedText(_sender(blocks.senders(index, end)) if certain else None, announced, plain=False)
        announced = is_forward(line.bare)
        if expected or _may_begin_quote(lines, index, attributions) or (line.quoted and not announced):
            return ForwardedText(plain=False)
        expected = announced or is_original(line.bare)
    return ForwardedText(plain=not expected)


def forward_begins(rows: Sequence[str]) -> int:
    """Given the lines of a text, return the index of the one at which a forwarded mail begins; their number if there is
    none. Pure; linear.
    """
    lines = analyse_lines(rows)
    blocks = HeaderBlocks(lines)
    for index, line in enumerate(lines):
        if line.bare and (is_forward(line.bare) or is_original(line.bare) or blocks.at(index) is not None):
            return index
    return len(rows)


def _may_begin_quote(lines: Sequence[TextLine], index: int, attributions: Attributions) -> bool:
    """May a quote begin here, also one that is not marked, or a block in a language whose words are not known?"""
    return attributions.at(index) is not None or attributions.may_be(index) or looks_like_block(lines, index)


def _sender(value: str) -> Address | None:
    """Given the value of From in a block, return the address in it; None unless there is exactly one. An address in
    quotes before another @ is a part of that other one, as its owner chose it (RFC 5321 section 4.1.2).
    """
    if '"@' in value or len(value) >= LONGEST:
        return None
    plain = map(_without_quotes, _ADDRESS.findall(value))
    by_key = {address.rstrip(".").lower(): address for address in plain}
    if len(by_key) != 1:
        return None
    ((key, address),) = by_key.items()
    local, _, host = key.rpartition("@")
    if not is_local_part(local) or ascii_host(host) is None:
        return None
    name = " ".join(value.partition(address)[0].replace("mailto:", " ").split()).strip(_DRESS)
    return Address(name, address.rstrip("."))


def _without_quotes(address: str) -> str:
    """Given an address as Outlook may write it, 'kim@example.com', return it without these quotes."""
    return address[:-1].removeprefix("'") if address.endswith("'") else address


def without_forward_prefix(subject: str) -> str | None:
    """Given a subject, return it without the "Fwd:", "WG:" … before it; None if there is none."""
    text, has_prefix = subject, False
    for _ in range(MOST_PREFIXES):
        match = _PREFIX.match(text)
        if match is None or match[1].casefold() not in FORWARD_PREFIXES:
            break
        text, has_prefix = text[match.end() :], True
    return text.strip() if has_prefix else None
