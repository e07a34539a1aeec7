"""For machines: is it alive, does it work, and its numbers for Prometheus (text format 0.0.4)."""

import ipaddress
from collections.abc import Iterator, Mapping

from starlette.responses import PlainTextResponse, Response

from redmine_mailbridge.admin.calls import Call
from redmine_mailbridge.errors import MailbridgeError


def healthz(call: Call) -> Response:
    """The process answers."""
    del call
    return PlainTextResponse("ok\n")


def readyz(call: Call) -> Response:
    """The store answers too."""
    try:
        call.desk.archive.counts()
    except MailbridgeError:
        return PlainTextResponse("the store does not answer\n", 503)
    return PlainTextResponse("ok\n")


def metrics(call: Call) -> Response:
    """The numbers, for who may read them: one who is signed in, or a machine of `metrics_from`."""
    if call.session is None and not _may_read(call):
        return PlainTextResponse("not for this address: see metrics_from in [admin]\n", 403)
    return PlainTextResponse("".join(_lines(call)), media_type="text/plain; version=0.0.4")


def _may_read(call: Call) -> bool:
    settings = call.desk.settings.admin
    if "x-forwarded-for" in call.request.headers and not settings.proxies:
        return False  # behind a proxy that nobody has named, every visitor looks like this machine
    try:
        address = ipaddress.ip_address(call.address)
    except ValueError:
        return False
    networks = (ipaddress.ip_network(network, strict=False) for network in settings.metrics_from)
    return any(address in network for network in networks)


def _lines(call: Call) -> Iterator[str]:
    figures, names = call.desk.figures, list(call.desk.settings.active_mailboxes)
    piles, queues = figures.piles(names), figures.queues(call.now - 86_400)
    last = {name: pile.last_mail for name, pile in piles.items() if pile.last_mail is not None}
    families: tuple[tuple[str, str, Mapping[str, float], str], ...] = (
        ("mails", "Mails in the store by state.", figures.states(), "state"),
        ("mailbox_waiting", "Mails that wait.", {name: pile.waiting for name, pile in piles.items()}, "mailbox"),
        ("mailbox_last_mail_timestamp_seconds", "When the last mail was taken.", last, "mailbox"),
        ("outbox_waiting", "Mails that wait to be sent.", {n: q.waiting for n, q in queues.items()}, "mailbox"),
        ("outbox_sent_24h", "Mails sent within 24 hours.", {n: q.sent_today for n, q in queues.items()}, "mailbox"),
    )
    for name, words, values, label in families:
        yield from _family(name, "gauge", words, values, label)


def _family(name: str, kind: str, words: str, values: Mapping[str, float], label: str) -> Iterator[str]:
    full = f"redmine_mailbridge_{name}"
    yield f"# HELP {full} {words}\n# TYPE {full} {kind}\n"
    for key, value in sorted(values.items()):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        yield f'{full}{{{label}="{escaped}"}} {value}\n'
