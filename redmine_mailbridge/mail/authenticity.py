"""Is the From domain what it says? From Authentication-Results that may be trusted (RFC 8601), or own DKIM."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from redmine_mailbridge.mail.headers import Headers
from redmine_mailbridge.mail.heads import Buffer
from redmine_mailbridge.mail.message import Address, Authenticity, ReadingOptions

Dns = Callable[..., bytes | None]

_LIMIT = 20_000
MAX_VERIFIED = 32 * 1024 * 1024  # bytes of a mail that is verified by ourselves
_METHOD = re.compile(r"\s*([A-Za-z][\w-]{0,40})\s{0,5}(?:/\s{0,5}\d{1,5}\s{0,5})?=\s{0,5}([A-Za-z]{1,30})")
_PROPERTY = re.compile(r"([A-Za-z]{1,20})\.([\w-]{1,40})\s{0,5}=\s{0,5}(\"[^\"]{0,500}\"|[^\s;]{1,500})")
_BY = re.compile(r"(?:^|\s)by\s{1,20}([^\s();]{1,255})")
# public suffixes of two labels, in short: an alignment must not stop at them
_ENDS_BLOCK = frozenset({"received", "from", "to", "subject", "date", "message-id", "mime-version", "content-type"})
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu", "or", "ne", "go", "gob", "nom"})


@dataclass(frozen=True, slots=True)
class Result:
    """One result: "dkim", "pass", and its properties such as header.d, lower case."""

    method: str
    result: str
    properties: dict[str, str] = field(default_factory=dict)


def judge(
    headers: Headers,
    sender: Address,
    senders: int,
    buffer: Buffer,
    options: ReadingOptions,
    *,
    dns: Dns | None = None,
) -> Authenticity:
    """Given a mail, its From and how many Froms it has, say whether the From domain is proven.

    Only results of `options.trusted_authserv_ids` count, only the topmost of them, and only above the first
    Received that none of them wrote. Failing wins over passing. With `options.verify_dkim` the signatures are
    verified here when nobody trusted spoke; `dns` looks up TXT records (dkimpy's `dnsfunc`), for tests.
    """
    if not sender.domain or senders != 1:
        return Authenticity(detail="not exactly one From address")
    results = trusted_results(headers, options.trusted_authserv_ids)
    found = _weigh(results, sender.domain)
    if found.verdict == "unknown" and options.verify_dkim and len(buffer) <= MAX_VERIFIED:
        return _verify(headers, buffer, sender.domain, dns) or found
    return found


def trusted_results(headers: Headers, trusted: tuple[str, ...]) -> list[Result]:
    """Given a mail and the trusted authserv-ids, return the results that may be believed, in order.

    That is the topmost block of them: our server writes its results once, and strips those that came in under its
    name (RFC 8601 section 5). Whatever stands below a Received or a field of the author's was there before.
    """
    ids = {one.strip().lower() for one in trusted if one.strip()}
    found: list[Result] = []
    begun = False
    for key, value in _above_foreign(headers, ids) if ids else ():
        if key != "authentication-results":
            if begun:
                break
            continue
        identity, results = parse(value)
        if (identity or "*") in ids:
            found += results
            begun = True
    return found


def _above_foreign(headers: Headers, ids: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the Authentication-Results, and what ends a block of them, above the first Received of a foreign host."""
    received = iter(headers.raw_lines("received"))
    results = iter(headers.raw_lines("authentication-results"))
    for name, _ in headers.fields:
        key = name.lower()
        if key == "received" and not _is_ours(next(received, ""), ids):
            return
        if key == "authentication-results":
            yield key, next(results, "")
        elif key in _ENDS_BLOCK:
            yield key, ""


def _is_ours(received: str, ids: set[str]) -> bool:
    """Was this Received written by a host of a trusted authserv-id's domain (or within Google or Microsoft)?"""
    found = _BY.search(received[:2000])
    host = found[1].lower().rstrip(".") if found else ""
    if not host:
        return False
    if any(host == one or host.endswith("." + _parent(one)) for one in ids if one != "*"):
        return True
    if "*" in ids or any(one.endswith(("outlook.com", "office365.com")) for one in ids):
        return host.endswith((".outlook.com", ".office365.com"))
    return "mx.google.com" in ids and host.startswith(("2002:a", "10."))


def _parent(host: str) -> str:
    """Given a host name, return its domain: "mx.example.org" gives "example.org", which stays itself."""
    labels = host.split(".")
    return ".".join(labels[1:]) if len(labels) > 2 and labels[1] not in _SECOND_LEVEL else host


def parse(value: str) -> tuple[str, list[Result]]:
    """Given the value of an Authentication-Results field, return its authserv-id, "" when it names none, and results.

    Read as leniently as it is written: comments go, an id may be missing (Microsoft), results that cannot be
    read are passed over.
    """
    segments = _without_comments(value[:_LIMIT]).split(";")
    first = segments[0].split()
    identity = ""
    if first and "=" not in first[0]:
        identity = first[0].lower()
        segments[0] = " ".join(first[2:] if len(first) > 1 and first[1].isdigit() else first[1:])
    results: list[Result] = []
    for segment in segments:
        found = _METHOD.match(segment)
        if found:
            properties = {
                f"{kind}.{name}".lower(): text.strip('"').lower()
                for kind, name, text in _PROPERTY.findall(segment[found.end() :])
            }
            results.append(Result(found[1].lower(), found[2].lower(), properties))
    return identity, results


def _without_comments(value: str) -> str:
    kept: list[str] = []
    depth = 0
    quoted = False
    for sign in value:
        if sign == '"' and not depth:
            quoted = not quoted
        if not quoted and sign == "(":
            depth += 1
        elif not quoted and sign == ")" and depth:
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(sign)
    return "".join(kept)


def _weigh(results: list[Result], domain: str) -> Authenticity:
    """Given trusted results and the From domain, return the verdict: DMARC first, then aligned DKIM, aligned SPF."""
    told = ", ".join(dict.fromkeys(f"{one.method}={one.result}" for one in results))[:300]
    dmarc = [one for one in results if one.method == "dmarc" and _speaks_of(one, domain)]
    if any(one.result == "fail" for one in dmarc):
        return Authenticity("failed", "dmarc", told)
    if any(one.result == "pass" for one in dmarc):
        return Authenticity("passed", "dmarc", told)
    for one in results:
        if one.method == "dkim" and one.result == "pass":
            signer = one.properties.get("header.d") or one.properties.get("header.i", "").rpartition("@")[2]
            if aligned(signer, domain):
                return Authenticity("passed", "dkim", told)
    for one in results:
        envelope = one.properties.get("smtp.mailfrom", "").strip("<>").rpartition("@")[2]
        if one.method == "spf" and one.result == "pass" and aligned(envelope, domain):
            return Authenticity("passed", "spf", told)
    return Authenticity("unknown", "", told)


def _speaks_of(result: Result, domain: str) -> bool:
    """Does a DMARC result speak of this From domain? One that names none does."""
    named = result.properties.get("header.from", "").strip("<>").rpartition("@")[2]
    return not named or aligned(named, domain)


def aligned(authenticated: str, domain: str) -> bool:
    """Given an authenticated domain and the From domain, are they of one organisation (RFC 7489 section 3.1)?"""
    first, second = authenticated.lower().rstrip("."), domain.lower().rstrip(".")
    if not first or not second:
        return False
    if first == second:
        return True
    shorter, longer = sorted((first, second), key=len)
    labels = shorter.split(".")
    if len(labels) < 2 or (len(labels) == 2 and labels[0] in _SECOND_LEVEL and len(labels[1]) == 2):
        return False
    return longer.endswith("." + shorter)


def _verify(headers: Headers, buffer: Buffer, domain: str, dns: Dns | None) -> Authenticity | None:
    """Verify at most three DKIM signatures ourselves; None when there is none, or no dkimpy."""
    count = min(len(headers.raw_lines("dkim-signature")), 3)
    if not count:
        return None
    try:
        import dkim  # noqa: PLC0415  an extra, and only when asked for
    except ImportError:
        return None
    for index in range(count):
        signer = _tag(headers.raw_lines("dkim-signature")[index], "d")
        if not aligned(signer, domain):
            continue
        try:
            verifier = dkim.DKIM(bytes(buffer))
            good = verifier.verify(idx=index, dnsfunc=dns) if dns else verifier.verify(idx=index)
        except Exception as error:  # noqa: BLE001  the border to dkimpy and its resolver, which raise anything
            return Authenticity("unknown", "dkim", f"could not be verified ({type(error).__name__})")
        if good:
            return Authenticity("passed", "dkim", f"signature of {signer} verified by the bridge")
    return None


def _tag(value: str, tag: str) -> str:
    for piece in value[:_LIMIT].split(";"):
        name, _, text = piece.partition("=")
        if name.strip() == tag:
            return "".join(text.split()).lower()
    return ""
