"""Is the From domain what it says? From Authentication-Results that may be trusted (RFC 8601), or own DKIM.

The same field is written by the server that takes mail in, and by whoever wants to be believed. So a field counts only
where no one else can have put it, only if it is written by the grammar to the last sign (`authres`), and only for what
no other result in it contradicts.
"""

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from redmine_mailbridge.mail import authres
from redmine_mailbridge.mail.authres import Result
from redmine_mailbridge.mail.domains import aligned, ascii_domain, organisation, same
from redmine_mailbridge.mail.mime import received
from redmine_mailbridge.mail.mime.encoded_words import unfold
from redmine_mailbridge.mail.mime.header_block import Buffer
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.mail.trusted_hop import identities_of, servers_fields
from redmine_mailbridge.model.mail import Address, Authenticity, ReadingOptions
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import dkim
else:
    dkim = lazy_import("dkim")

Dns = Callable[..., bytes | None]

MAX_VERIFIED = 32 * 1024 * 1024  # bytes of a mail that is verified by ourselves
MAX_FIELDS = 50
_TAGS = 20_000  # characters of a DKIM-Signature that are read
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BELOW = "its field is below its own Received, where a message may bring one along (results_below_received is off)"
_RETURN = ("return-path", "x-envelope-from", "envelope-from")


@dataclass(frozen=True, slots=True)
class TrustedResults:
    """The results that may be believed, in order; `why` is a phrase about fields of a trusted name that are not."""

    results: tuple[Result, ...] = ()
    why: str = ""


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

    Only results of `options.trusted_authserv_ids` count (see `trusted`). Failing wins over passing, and a public
    suffix proves nothing. With `options.verify_dkim` the signatures are verified here without a trusted result;
    `dns` looks up TXT records (dkimpy's `dnsfunc`), for tests.
    """
    if not sender.domain or senders != 1:
        return Authenticity(detail="not exactly one From address")
    if not organisation(sender.domain):
        return Authenticity(detail=f"{sender.domain} is a public suffix or not a domain, so it has no single owner")
    believed = trusted(headers, options)
    authenticity = _weigh(believed, sender.domain, _signatures(headers))
    if authenticity.verdict == "unknown" and options.verify_dkim and len(buffer) <= MAX_VERIFIED:
        return _verify(headers, buffer, sender.domain, dns) or authenticity
    return authenticity


def trusted(headers: Headers, options: ReadingOptions) -> TrustedResults:
    """Given a mail, return the results of the trusted authserv-ids that may be believed.

    Of each name only the topmost field, and only above the first Received that its server wrote, or that a stranger's
    did: what is below may have come in with the message. A server that writes its field below its own Received, and
    takes away what mail brings along under its name, is one of `options.results_below_received` (Google's always is).
    The first MAX_FIELDS are read: a server's own stand at the top, and a mail may bring along thousands.
    """
    identities = identities_of(options)
    if not identities:
        return TrustedResults()
    if not _plain_client(headers, identities):
        return TrustedResults(
            why="its envelope or its HELO is one that servers have to quote, so no result is believed"
        )
    results_by_server: dict[str, tuple[Result, ...]] = {}
    whys: list[str] = []
    all_fields = servers_fields(headers, identities, below=options.results_below_received)
    for field in islice(
        (candidate for candidate in all_fields if candidate.name == "authentication-results"), MAX_FIELDS
    ):
        names, results, fault = _read(field.raw, headers.fallback, identities)
        for name in names - results_by_server.keys():
            if name in field.servers:
                results_by_server[name] = results
                whys += [fault] if fault else []
            else:
                whys.append(_BELOW)
    return TrustedResults(
        tuple(result for results in results_by_server.values() for result in results), next(iter(whys), "")
    )


def _plain_client(headers: Headers, identities: frozenset[str]) -> bool:
    """Is what the client called himself, as far as the mail shows it, such that no server can have miswritten it?"""
    if not all(map(authres.plain_sender, (line for name in _RETURN for line in headers.raw_lines(name)))):
        return False
    for line in headers.raw_lines("received"):
        hop = received.read(line)
        if hop.odd or not received.is_inner(hop, identities):
            return not hop.odd
    return True


def _read(raw: bytes, fallback: str, identities: frozenset[str]) -> tuple[set[str], tuple[Result, ...], str]:
    """Given a field's bytes, return which of these names it has, its results, and what is wrong with it.

    An unreadable one counts for every name that it contains: it may be the topmost of that name.
    """
    value = unfold(raw, fallback)
    try:
        if _CONTROL.search(raw):
            raise authres.MalformedField("a control character")
        identity, results = authres.parse(value)
    except authres.MalformedField as error:
        named = {identity for identity in identities if identity in value.lower()} or identities & {"*"}
        return set(named), (), f"the field is not written as RFC 8601 says ({error}), so it says nothing"
    return {identity or "*"} & identities, tuple(results), ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field: whose it is, its selector, and whether it covers the body's beginning only (l=)."""

    domain: str
    selector: str
    partial: bool


def _signatures(headers: Headers) -> list[Signature]:
    """Given a mail, return its DKIM signatures as far as they say whose they are (RFC 6376 section 3.5)."""
    signatures = []
    for line in headers.raw_lines("dkim-signature"):
        tags = _tags(line)
        signatures.append(Signature(ascii_domain(tags.get("d", "")), tags.get("s", "").lower(), "l" in tags))
    return signatures


def _tags(value: str) -> dict[str, str]:
    pairs = (piece.partition("=") for piece in value[:_TAGS].split(";"))
    return {name.strip().lower(): "".join(text.split()) for name, sign, text in pairs if sign}


def _weigh(believed: TrustedResults, domain: str, signatures: list[Signature]) -> Authenticity:
    """Given trusted results and the From domain, return the verdict: DMARC first, then aligned DKIM, aligned SPF."""
    results = believed.results
    evidence = ", ".join(dict.fromkeys(f"{result.method}={result.result}" for result in results))[:300]
    evidence = "; ".join(filter(None, (evidence, believed.why)))
    dmarc = [result for result in results if result.method == "dmarc"]
    if any(result.result == "fail" and _may_speak_of(result, domain) for result in dmarc):
        return Authenticity("failed", "dmarc", evidence)
    envelopes = [result for result in results if result.method == "spf" and "smtp.mailfrom" in result.properties]
    if _differ(dmarc, "header.from") or _differ(envelopes, "smtp.mailfrom"):
        return Authenticity("unknown", "", f"{evidence}; two results contradict each other")
    signed = any(_vouches(result, domain, results, signatures) for result in results if result.method == "dkim")
    sent = any(result.result == "pass" and aligned(result.domain("smtp.mailfrom"), domain) for result in envelopes)
    in_part = any(signature.partial and aligned(signature.domain, domain) for signature in signatures)
    passes = any(result.result == "pass" and same(result.domain("header.from"), domain) for result in dmarc)
    if passes and (signed or sent or not in_part):
        return Authenticity("passed", "dmarc", evidence)
    if signed or sent:
        return Authenticity("passed", "dkim" if signed else "spf", evidence)
    why = "a signature covers the beginning of the text only (l=)" if in_part else ""
    return Authenticity("unknown", "", "; ".join(filter(None, (evidence, why))))


def _may_speak_of(result: Result, domain: str) -> bool:
    """May a DMARC result be about this From domain? One that names none may, and one of the organisation's domain."""
    header_from = result.domain("header.from")
    return not header_from or aligned(header_from, domain)


def _differ(results: list[Result], name: str) -> bool:
    """Do results of one method say different things about the same mail?"""
    return len({(result.result, result.properties.get(name, "").lower()) for result in results}) > 1


def _vouches(result: Result, domain: str, results: tuple[Result, ...], signatures: list[Signature]) -> bool:
    """Does a DKIM result prove the From domain? Not if another says otherwise of that signature, or it has an l=."""
    signer, selector = _signer(result), result.properties.get("header.s", "").lower()
    if result.result != "pass" or not aligned(signer, domain):
        return False
    others = [other for other in results if other.method == "dkim" and _signer(other) == signer]
    if any(
        other.result != "pass" and other.properties.get("header.s", "").lower() in {"", selector} for other in others
    ):
        return False
    mine = [signature for signature in signatures if signature.domain == ascii_domain(signer)]
    return not any(signature.partial and (not selector or signature.selector == selector) for signature in mine)


def _signer(result: Result) -> str:
    return result.domain("header.d") or result.domain("header.i")


def _verify(headers: Headers, buffer: Buffer, domain: str, dns: Dns | None) -> Authenticity | None:
    """Verify at most three DKIM signatures ourselves; None when there is none, or no dkimpy."""
    signatures = _signatures(headers)[:3]
    if not signatures:
        return None
    try:
        verifier_of = dkim.DKIM
    except ImportError:  # an extra
        return None
    for index, signature in enumerate(signatures):
        if signature.partial or not aligned(signature.domain, domain):
            continue
        try:
            verifier = verifier_of(bytes(buffer))
            good = verifier.verify(idx=index, dnsfunc=dns) if dns else verifier.verify(idx=index)
        except Exception as error:  # noqa: BLE001  the border to dkimpy and its resolver, which raise anything
            return Authenticity("unknown", "dkim", f"could not be verified ({type(error).__name__})")
        if good:
            return Authenticity("passed", "dkim", f"signature of {signature.domain} verified by the bridge")
    return None
