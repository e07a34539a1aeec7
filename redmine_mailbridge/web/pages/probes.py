"""For machines: is it alive, can it work, what is wrong, and its numbers for Prometheus (text format 0.0.4)."""

import hmac
from collections import Counter
from collections.abc import Iterator, Mapping

from starlette.responses import JSONResponse, PlainTextResponse, Response

from redmine_mailbridge.conditions.condition import Severity, worst
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.health import SERVICE, alive
from redmine_mailbridge.store.queries.statistics import Latencies
from redmine_mailbridge.web.addresses import is_within
from redmine_mailbridge.web.request import PageRequest

FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers by which a proxy makes itself known."""
NOT_FOR_YOU = "not for this address: see metrics_from and metrics_token in [admin]\n"


def healthz(call: PageRequest) -> Response:
    """The process answers."""
    del call
    return PlainTextResponse("ok\n")


def readyz(call: PageRequest) -> Response:
    """The service can work: its store answers, and it runs. What is wrong follows, a line each; without names, since
    anyone may ask.
    """
    conditions = call.context.recent_conditions()
    unready = any(condition.kind.unready for condition in conditions)
    lines = dict.fromkeys(f"{condition.severity.word} {condition.key}\n" for condition in conditions)
    return PlainTextResponse("".join(["not ready\n" if unready else "ok\n", *lines]), 503 if unready else 200)


def health(call: PageRequest) -> Response:
    """The list of conditions, for who may read the numbers; 503 if one is critical."""
    if call.session is None and not _may_read(call):
        return PlainTextResponse(NOT_FOR_YOU, 403)
    conditions = call.context.conditions()
    severity = worst(conditions)
    values = {"status": severity.word, "conditions": [condition.as_json() for condition in conditions]}
    return JSONResponse(values, 503 if severity is Severity.CRITICAL else 200)


def metrics(call: PageRequest) -> Response:
    """The numbers, for who may read them: one who is signed in, or a machine of `metrics_from`."""
    if call.session is None and not _may_read(call):
        return PlainTextResponse(NOT_FOR_YOU, 403)
    return PlainTextResponse("".join(_lines(call)), media_type="text/plain; version=0.0.4")


def _may_read(call: PageRequest) -> bool:
    """Does the request bring the token, or come from an address that may, as far as addresses can be believed?

    Behind a proxy that the settings do not name, each visitor looks like this machine, and so does a visitor through
    a named one that does not give the visitor's address.
    """
    admin, headers = call.context.settings.admin, call.request.headers
    token = reveal(admin.metrics_token)
    if token and hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
        return True
    if admin.proxies:
        unknown = is_within(call.address, admin.proxies)
    else:
        unknown = any(name in headers for name in FORWARDED) or (admin.url is not None and not admin.certificate_file)
    return not unknown and is_within(call.address, admin.metrics_from)


def _lines(call: PageRequest) -> Iterator[str]:
    statistics, names = call.context.statistics, list(call.context.settings.active_mailboxes)
    counts, queues = statistics.mailbox_counts(names), statistics.outbox_counts(call.now - 86_400)
    last = {name: count.last_mail for name, count in counts.items() if count.last_mail is not None}
    families: tuple[tuple[str, str, Mapping[str, float], str], ...] = (
        ("mails", "Mails in the store by state.", statistics.states(), "state"),
        ("mailbox_waiting", "Mails that wait.", {name: count.waiting for name, count in counts.items()}, "mailbox"),
        ("mailbox_last_mail_timestamp_seconds", "When the last mail was taken.", last, "mailbox"),
        ("outbox_waiting", "Mails that wait to be sent.", {n: q.waiting for n, q in queues.items()}, "mailbox"),
        ("outbox_sent_24h", "Mails sent within 24 hours.", {n: q.sent_today for n, q in queues.items()}, "mailbox"),
    )
    for name, words, values, label in families:
        yield from _family(name, words, values, label)
    yield from _health(call)
    conditions = Counter(condition.severity.word for condition in call.context.conditions())
    severities = {severity.word: conditions[severity.word] for severity in Severity}
    yield from _family("conditions", "Conditions by severity.", severities, "severity")
    yield from _histogram("mail_seconds", "From being taken to being in Redmine.", statistics.latencies())
    yield from _histogram("sending_seconds", "From being queued to being sent.", statistics.sending_latencies())


def _health(call: PageRequest) -> Iterator[str]:
    """What the running service has noted: 1 is well, 0 fails."""
    seen = call.context.health.all()
    ends = call.context.certificates.all()
    certificates = {server: (until - call.now) / 86_400 for server, until in ends.items()}
    up = {name: 0 if record.error else 1 for name, record in seen.items() if name != SERVICE}
    up[SERVICE] = int(alive(seen.get(SERVICE), call.now))
    success = {name: record.ok_at for name, record in seen.items() if record.ok_at is not None}
    yield from _family("up", "Whether it works.", up, "what")
    yield from _family("last_success_timestamp_seconds", "When it last worked.", success, "what")
    yield from _family("certificate_days", "Days until the server's certificate ends.", certificates, "server")


def _family(name: str, words: str, values: Mapping[str, float], label: str) -> Iterator[str]:
    full = f"redmine_mailbridge_{name}"
    yield f"# HELP {full} {words}\n# TYPE {full} gauge\n"
    for key, value in sorted(values.items()):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        yield f'{full}{{{label}="{escaped}"}} {value}\n'


def _histogram(name: str, words: str, latencies: Latencies) -> Iterator[str]:
    full = f"redmine_mailbridge_{name}"
    yield f"# HELP {full} {words}\n# TYPE {full} histogram\n"
    for bound, count in zip(Latencies.BOUNDS, latencies.within, strict=True):
        yield f'{full}_bucket{{le="{bound:g}"}} {count}\n'
    yield f'{full}_bucket{{le="+Inf"}} {latencies.count}\n'
    yield f"{full}_sum {latencies.seconds}\n{full}_count {latencies.count}\n"
