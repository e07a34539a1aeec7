"""Does the mail's own server call it spam? Read from the fields of spam filters (SpamAssassin, Rspamd, Exchange).

Such a field carries no name of its server, so it counts only where no one else can have put it: above the door (see
`trusted_hop`), or anywhere where the settings say that the servers take away what mail brings along
(`results_below_received`; Exchange removes X-MS-Exchange-Organization-* and renames X-Forefront-Antispam-Report). Of
each name only the topmost counts, and an SCL overrules Exchange's report; where they may lie anywhere, any that says
spam counts. That a filter found nothing proves
nothing: no field makes a mail more welcome.

Sources: SpamAssassin (Mail::SpamAssassin::Conf, add_header), Rspamd (milter_headers), Microsoft Learn ("Spam confidence
level (SCL)", "Anti-spam message headers").
"""

import re
from collections.abc import Callable, Iterator

from redmine_mailbridge.mail.mime.encoded_words import unfold
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.mail.trusted_hop import identities_of, servers_fields
from redmine_mailbridge.model.mail import ReadingOptions, SpamVerdict

_READ = 2_000  # characters of a field that are read
_SHOWN = 60
_SPAM_FROM = 5  # an SCL from which Exchange files a mail to the junk
_SCL = "x-ms-exchange-organization-scl"
_FOREFRONT = "x-forefront-antispam-report"
_RSPAMD = re.compile(r"[^:;\[]{0,100}:\s*true\b", re.IGNORECASE)
_LEVEL = re.compile(r"\s*(-?[0-9]{1,3})\s*")
_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "quarantine", "discard"})


def judge(headers: Headers, options: ReadingOptions) -> SpamVerdict:
    """Given a mail, return what its own servers say of it; nothing without `options.trusted_authserv_ids`."""
    fields: dict[str, str] = {}
    for name, raw in _believed(headers, options):
        if name not in _SAYS or (name in fields and not options.results_below_received):
            continue
        value = unfold(raw, headers.fallback)[:_READ]
        if name not in fields or _SAYS[name](value):  # a mail's own "no" above the server's "yes"
            fields[name] = value
    if _SCL in fields and not options.results_below_received:  # by Exchange's own rules, which overrule its filter
        fields.pop(_FOREFRONT, None)
    for name, value in fields.items():
        if _SAYS[name](value):
            return SpamVerdict(spam=True, rule=_shown(headers, name, value))
    return SpamVerdict(doubted=_doubted(headers, fields))


def _believed(headers: Headers, options: ReadingOptions) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the fields that count, from the top."""
    identities = identities_of(options)
    if identities and options.results_below_received:
        yield from ((name.lower(), raw) for name, raw in headers.fields)
    elif identities:
        for field in servers_fields(headers, identities, below=False):
            if not field.inside:
                return
            yield field.name, field.raw


def _doubted(headers: Headers, believed: dict[str, str]) -> str:
    """The first field that says spam, and is not believed; "" if there is none."""
    for name, raw in headers.fields:
        key = name.lower()
        if key in _SAYS and key not in believed:
            value = unfold(raw, headers.fallback)[:_READ]
            if _SAYS[key](value):
                return _shown(headers, key, value)
    return ""


def _shown(headers: Headers, name: str, value: str) -> str:
    """A field for the operator: its name as written, and the beginning of what it says."""
    written = next((field_name for field_name, _ in headers.fields if field_name.lower() == name), name)
    if name == _FOREFRONT:
        value = "; ".join(part for part in value.split(";") if part.strip().upper().startswith(("SCL:", "SFV:")))
    return f"{written}: {' '.join(value.split())[:_SHOWN]}"


def _yes(value: str) -> bool:
    return value.strip().lower().startswith(("yes", "true", "spam"))


def _scl(value: str) -> bool:
    level = _LEVEL.fullmatch(value)
    return level is not None and int(level[1]) >= _SPAM_FROM


def _forefront(value: str) -> bool:
    """A report of pairs, as "CIP:203.0.113.7;SCL:5;SFV:SPM;": spam by its level, or by the filter's verdict."""
    pairs = [part.partition(":") for part in value.split(";")]
    verdicts = {name.strip().upper(): text.strip() for name, _, text in reversed(pairs)}
    return _scl(verdicts.get("SCL", "")) or verdicts.get("SFV", "").upper() == "SPM"


_SAYS: dict[str, Callable[[str], bool]] = {
    "x-spam-flag": _yes,
    "x-spam-status": _yes,
    "x-spam": _yes,
    "x-spamd-result": lambda value: _RSPAMD.match(value.strip()) is not None,
    "x-rspamd-action": lambda value: value.strip().lower() in _ACTIONS,
    _SCL: _scl,
    _FOREFRONT: _forefront,
}
