"""Mails of people who want to be somebody else, or to reach what they may not see. Used by pure and by real tests.

The world they aim at: corp.example is ours, its mail server mx.corp.example puts Authentication-Results on top. The
mailbox support@ is strict; inside@ believes any From line, takes all keyword lines and every signed reference.
anna@corp.example is an agent, admin@corp.example an administrator, lena@corp.example locked; kim@client.example takes
part in issue {secret} of a private project, in the private issue {private}, and in the public issue {public}.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests import results


@dataclass(frozen=True, slots=True)
class Target:
    """The numbers of the issues that the mails aim at; `signed` is a Message-ID of ours about the private one
    (a stranger got hold of it), `redmines` the one of Redmine's mail about the secret one.
    """

    public: int
    private: int
    secret: int
    signed: str = "mb.answer.1.0.0@corp.example"
    redmines: str = "redmine.issue-1.20260501083015.5@corp.example"


_MAIL = """{results}Received: from outside.example by mx.corp.example; Wed, 20 May 2026 10:00:00 +0000
From: {sender}
To: {to}
Subject: {subject}
Date: Wed, 20 May 2026 10:00:00 +0000
Message-ID: <hostile-{number}@evil.example>
{headers}MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

{body}
"""
NONE, FAIL = "dmarc=none", "spf=fail; dmarc=fail header.from=corp.example"
PASS_EVIL = "spf=pass smtp.mailfrom=evil.example; dkim=pass header.d=evil.example; dmarc=pass header.from=evil.example"
ANNA, ADMIN, KIM = "Anna Agent <anna@corp.example>", "Root <admin@corp.example>", "Kim Client <kim@client.example>"
EVIL = "Mallory <mallory@evil.example>"
INJECTED = "Authentication-Results: mx.corp.example; dmarc=pass header.from=corp.example"


def hostile_mails(at: Target) -> Iterator[tuple[str, bytes]]:
    """Given what to aim at, yield name and bytes of each mail."""
    for number, (name, fields) in enumerate(_cases(at).items(), 1):
        usual = {"verdict": NONE, "sender": EVIL, "subject": "Hello", "headers": "", "body": "Please do."}
        values = usual | {"to": "support@corp.example"} | fields
        values.setdefault("results", f"Authentication-Results: mx.corp.example; {values['verdict']}\n")
        if values["headers"] and not values["headers"].endswith("\n"):
            values["headers"] += "\n"
        yield name, _MAIL.format(number=number, **values).replace("\n", "\r\n").encode()


def _cases(at: Target) -> dict[str, dict[str, str]]:
    """The mails by name, each as what differs from a plain one."""
    tricks = _forged_from(at) | _forged_references(at) | _tricks_with_names(at) | _injections(at)
    return tricks | _envelopes(at) | _brought_along(at) | _other_mailboxes(at) | _behind_others(at) | _passed_on()


def _passed_on() -> dict[str, dict[str, str]]:
    """A victim whom an agent seems to pass on: by a forwarded mail, or in To with the mailbox in Cc."""
    block = "From: Victim <victim@bank.example>\nSent: Monday, May 4, 2026 9:00 AM\nTo: Anna\nSubject: P\n\nPay.\n"
    fwd = {"subject": "Fwd: P", "body": f"Look\n\n{block}"}
    apart = {"to": "victim@bank.example", "headers": "Cc: support@corp.example"}
    inside = {"to": "inside@corp.example"}
    return {
        "a forward by a forged agent": fwd | {"sender": ANNA},
        "a forward by a forged agent, failed": fwd | {"sender": ANNA, "verdict": FAIL},
        "a forward by a forged administrator": fwd | {"sender": ADMIN},
        "a forward by a forged agent to inside": fwd | inside | {"sender": ANNA},
        "a forward by a forged agent to both": fwd
        | {"sender": ANNA, "to": "inside@corp.example, support@corp.example"},
        "a forward by somebody proven": fwd | {"verdict": PASS_EVIL},
        "a forward by an agent and somebody proven": fwd | {"sender": f"{ANNA}, {EVIL}", "verdict": PASS_EVIL},
        "a forward with the agent in Reply-To": fwd | {"verdict": PASS_EVIL, "headers": f"Reply-To: {ANNA}"},
        "a forward with the agent in Sender": fwd | {"verdict": PASS_EVIL, "headers": f"Sender: {ANNA}"},
        "a mail to a victim by a forged agent": apart | {"sender": ANNA},
        "a mail to a victim by a forged agent, failed": apart | {"sender": ANNA, "verdict": FAIL},
        "a mail to a victim by somebody proven": apart | {"verdict": PASS_EVIL},
    }


def _forged_from(at: Target) -> dict[str, dict[str, str]]:
    return {
        "From of an admin": {"sender": ADMIN},
        "From of an admin, failed": {"sender": ADMIN, "verdict": FAIL},
        "From of an agent": {"sender": ANNA},
        "From of an agent, failed": {"sender": ANNA, "verdict": FAIL},
        "From of an agent in capitals": {"sender": "ANNA@CORP.EXAMPLE"},
        "From of a locked user": {"sender": "lena@corp.example"},
        "From of an agent, passed for another domain": {"sender": ANNA, "verdict": PASS_EVIL},
        "two From addresses, the agent first": {"sender": f"{ANNA}, {EVIL}", "verdict": PASS_EVIL},
        "two From addresses, the agent last": {"sender": f"{EVIL}, {ANNA}", "verdict": PASS_EVIL},
        "two From fields": {"sender": f"{EVIL}\nFrom: {ANNA}", "verdict": PASS_EVIL},
        "Sender of an agent": {"headers": f"Sender: {ANNA}", "verdict": PASS_EVIL},
        "Reply-To of an agent": {"headers": f"Reply-To: {ANNA}", "verdict": PASS_EVIL},
        "Return-Path of an admin": {"headers": "Return-Path: <admin@corp.example>"},
        "an agent's reply to a secret issue": {"sender": ANNA, "subject": f"Re: [Secret - Bug #{at.secret}]"},
        "an admin's reply to a secret issue": {"sender": ADMIN, "subject": f"[#{at.secret}]", "verdict": FAIL},
        "a customer's reply to a secret issue": {"sender": KIM, "subject": f"Re: [Secret - Bug #{at.secret}]"},
        "a customer's reply, failed": {"sender": KIM, "subject": f"[#{at.secret}]", "verdict": FAIL},
        "a customer's reply to a private issue": {"sender": KIM, "subject": f"[#{at.private}]"},
    }


def _forged_references(at: Target) -> dict[str, dict[str, str]]:
    secret, stamp = at.secret, "20260101000000"
    return {
        "Redmine's id": {"headers": f"In-Reply-To: <redmine.issue-{secret}.{stamp}.5@corp.example>"},
        "Redmine's id in References": {"headers": f"References: <a@b.example> <redmine.issue-{secret}.{stamp}@x>"},
        "Redmine's id from a customer": {
            "sender": KIM, "headers": f"In-Reply-To: <redmine.issue-{secret}.{stamp}.1@corp.example>"},
        "Redmine's journal id": {"headers": f"In-Reply-To: <redmine.journal-1.{stamp}.1@corp.example>"},
        "our id with a guessed hash": {
            "headers": f"In-Reply-To: <mb.answer.{secret}.00000000.1.{'0' * 26}@corp.example>"},
        "our id without a hash": {"headers": f"In-Reply-To: <mb.answer.{secret}@corp.example>"},
        "our marker with a guessed hash": {"body": f"> mbz{secret}z00000000z{'0' * 26}"},
        "a foreign tag": {"subject": f"[JIRA #{secret}] Deploy"},
        "a plain tag": {"subject": f"[#{secret}] Hello"},
        "a tag of a private issue": {"subject": f"Re: [#{at.private}]"},
        "many tags": {"subject": " ".join(f"[#{n}]" for n in range(1, 60))},
        "many references": {"headers": "References: " + " ".join(f"<redmine.issue-{n}.1@x>" for n in range(1, 60))},
        "X-Redmine headers": {"headers": f"X-Redmine-Issue-Id: {secret}\nX-Redmine-Project: secret"},
        "a bounce about a secret issue": {
            "sender": "MAILER-DAEMON@evil.example",
            "headers": f"Auto-Submitted: auto-replied\nIn-Reply-To: <redmine.issue-{secret}.{stamp}@x>"},
    }  # fmt: skip


def _tricks_with_names(at: Target) -> dict[str, dict[str, str]]:
    tag = f"[#{at.secret}]"
    return {
        "an agent's address as name": {"sender": '"anna@corp.example" <mallory@evil.example>', "subject": tag},
        "an agent's whole From as name": {
            "sender": '"Anna Agent <anna@corp.example>" <mallory@evil.example>', "verdict": PASS_EVIL},
        "an agent's From as encoded name": {
            "sender": "=?utf-8?Q?Anna_=3Canna=40corp=2Eexample=3E?= <mallory@evil.example>", "verdict": PASS_EVIL},
        "a look-alike domain": {"sender": "Anna <anna@c\u043erp.example>", "subject": tag},
        "a look-alike domain, passed": {
            "sender": "Anna <anna@xn--crp-emc.example>", "verdict": "dmarc=pass header.from=xn--crp-emc.example"},
        "our domain as a subdomain of theirs": {
            "sender": "anna@corp.example.evil.example", "verdict": "dmarc=pass header.from=corp.example.evil.example"},
        "a comment as address": {"sender": "mallory@evil.example (anna@corp.example)", "verdict": PASS_EVIL},
        "a group with an agent": {"sender": "Agents: anna@corp.example;", "verdict": PASS_EVIL},
        "a route address": {"sender": "<@evil.example:anna@corp.example>", "verdict": PASS_EVIL},
        "NUL in the address": {"sender": "<anna@corp.example\x00.evil.example>", "verdict": PASS_EVIL},
    }  # fmt: skip


def _injections(at: Target) -> dict[str, dict[str, str]]:
    lines = f"Project: secret\nStatus: Closed\nAssigned to: admin\nIs private: 0\nParent issue: {at.secret}"
    return {
        "Authentication-Results below the foreign Received": {"sender": ANNA, "headers": INJECTED},
        "Authentication-Results in the body": {"sender": ANNA, "body": INJECTED},
        "Authentication-Results folded into the subject": {"sender": ANNA, "subject": f"Hi\n {INJECTED}"},
        "Authentication-Results of another server": {
            "sender": ANNA, "headers": "Authentication-Results: evil.example; dmarc=pass header.from=corp.example"},
        "a line break in an encoded subject": {
            "subject": f"=?utf-8?Q?Hi=0D=0AIn-Reply-To:_=3Credmine.issue-{at.secret}.1@x=3E?="},
        "a line break in an encoded name": {"sender": "=?utf-8?Q?X=0D=0AFrom:_anna=40corp.example?= <m@evil.example>"},
        "keyword lines of a stranger": {"body": lines},
        "keyword lines of a forged admin": {"sender": ADMIN, "body": lines},
        "keyword lines on a public issue": {"sender": KIM, "subject": f"[#{at.public}]", "body": lines},
        "a macro and a mention": {"sender": '"{{include(Secret)}} @admin" <mallory@evil.example>'},
        "the internal mark": {"sender": ANNA, "headers": "X-MS-Exchange-Organization-AuthAs: Internal"},
    }  # fmt: skip


LOCAL_PARTS = {
    "another result": "x;dmarc=pass header.from=corp.example;y",
    "another result of a method": "x;dmarc=pass header.from=corp.example;auth=pass smtp.auth=y",
    "the end of a comment": "a) smtp.mailfrom=q@corp.example; dmarc=pass header.from=corp.example (y",
    "the end of a quote": 'a\\"; dmarc=pass header.from=corp.example; x.y=\\"z',
    "the end of both": 'a\\"b) smtp.mailfrom=q@corp.example; dmarc=pass header.from=corp.example (\\"y',
    "an address": "root@corp.example",
    "an address and a domain": "root@corp.example;dkim=pass header.d=corp.example;x",
}


def _envelopes(at: Target) -> dict[str, dict[str, str]]:
    """An envelope's sender that holds results, as each kind of server writes it down."""
    return {
        f"an envelope with {name}, by {server}": {
            "sender": ADMIN,
            "subject": f"Re: [Secret - Bug #{at.secret}]",
            "results": "".join(f"Authentication-Results: {one}\n" for one in writer(results.Client(inner))),
        }
        for name, inner in LOCAL_PARTS.items()
        for server, writer in results.WRITERS.items()
    }


def _brought_along(at: Target) -> dict[str, dict[str, str]]:
    """A field of our server's name, or of Google's or Microsoft's, that the mail had already, and what is like it."""
    tag = f"[#{at.secret}]"
    brought = {
        "a field below the server's Received": {"results": "", "headers": INJECTED},
        "a field between forged Receiveds": {
            "results": "",
            "headers": f"Received: from mx.corp.example by mx.corp.example with LMTP; x\n{INJECTED}\n"
            "Received: from mail.corp.example (mail.corp.example [10.0.0.9]) by mx.corp.example; x",
        },
        "a field in the name of Google": {
            "results": "", "headers": INJECTED.replace("mx.corp.example", "mx.google.com")},
        "a field without a name": {
            "results": "", "headers": "Authentication-Results: dmarc=pass action=none header.from=corp.example"},
        "a second field below a plain one": {
            "results": f"Authentication-Results: mx.corp.example; none\n{INJECTED}\n"},
        "two results that differ": {"verdict": "dmarc=pass header.from=corp.example; dmarc=none"},
        "DMARC of another name": {"verdict": "dmarc=pass header.from=mail.corp.example"},
        "DMARC of nobody": {"verdict": "dmarc=pass"},
        "a public suffix": {"verdict": "dkim=pass header.d=example; spf=pass smtp.mailfrom=example"},
        "a signature of the beginning": {
            "verdict": "dkim=pass header.d=corp.example; dmarc=pass header.from=corp.example",
            "headers": "DKIM-Signature: v=1; a=rsa-sha256; d=corp.example; s=k; l=12; h=from; bh=x; b=y",
        },
        "a HELO with results": {
            "results": "Authentication-Results: mx.corp.example; spf=pass (ok) smtp.mailfrom=x@evil.example (helo=)();"
            "dmarc=pass()header.from=corp.example()(;)\n"
            "Received: from )();dmarc=pass()header.from=corp.example()( by mx.corp.example; x\n",
        },
    }  # fmt: skip
    return {name: {"sender": ADMIN, "subject": tag} | fields for name, fields in brought.items()}


def _behind_others(at: Target) -> dict[str, dict[str, str]]:
    """From addresses that send other people's mail, with somebody in Reply-To or X-Original-From."""
    lines = f"Project: secret\nStatus: Closed\nAssigned to: admin\nParent issue: {at.secret}"
    no_reply, own = {"sender": "noreply@evil.example", "verdict": PASS_EVIL}, {"sender": "support@corp.example"}
    redmines = f"In-Reply-To: <{at.redmines}>"
    signed = f"In-Reply-To: <{at.signed}>"
    listed = "List-Id: <list.evil.example>\nList-Post: <mailto:list@evil.example>"
    return {
        f"{what}, {who}": fields | {"headers": f"{field}: {person}\n{fields.get('headers', '')}"}
        for field in ("Reply-To", "X-Original-From")
        for who, person in {"an agent": ANNA, "an admin": ADMIN, "a customer": KIM}.items()
        for what, fields in {
            f"no-reply with {field}": no_reply | {"subject": f"[#{at.secret}]", "body": lines},
            f"no-reply with {field} and Redmine's id": no_reply | {"headers": redmines},
            f"no-reply with {field} and a signed id": no_reply | {"headers": signed},
            f"our own address with {field}": own | {"subject": f"[#{at.private}]", "body": lines},
            f"our own address with {field} and Redmine's id": own | {"headers": redmines},
            f"a list with {field}": {"sender": "list@evil.example", "verdict": PASS_EVIL, "headers": listed}
            | {"subject": f"[#{at.secret}]"},
        }.items()
    }


def _other_mailboxes(at: Target) -> dict[str, dict[str, str]]:
    """Mail to the strict mailbox that names the lenient one."""
    lines = f"Project: secret\nStatus: Closed\nAssigned to: admin\nIs private: 0\nParent issue: {at.secret}"
    to = {"to": "inside@corp.example"}
    return {
        "to inside, From of an admin": to | {"sender": ADMIN},
        "to inside, From of an agent, about a secret issue": to | {"sender": ANNA, "subject": f"[#{at.secret}]"},
        "to inside and support": {"to": "Inside <inside@corp.example>, support@corp.example", "sender": ADMIN},
        "to inside in Cc": {"headers": "Cc: inside@corp.example", "to": "x@else.example", "sender": ADMIN},
        "to inside by the envelope": {
            "headers": "X-Original-To: inside@corp.example", "to": "x@else.example", "sender": ADMIN},
        "to inside, keyword lines": to | {"body": lines},
        "to inside, keyword lines of a forged admin": to | {"body": lines, "sender": ADMIN},
        "to inside, a signed id": to | {"subject": "Hi", "headers": f"In-Reply-To: <{at.signed}>"},
        "a signed id of a private issue": {"headers": f"In-Reply-To: <{at.signed}>"},
        "Redmine's id with the right second": {"sender": KIM, "headers": f"In-Reply-To: <{at.redmines}>"},
        "two hundred of Redmine's ids": {
            "sender": KIM,
            "headers": "References: " + " ".join([f"<redmine.issue-{at.secret}.{s}@x>" for s in range(199)])
            + f" <{at.redmines}>",
        },
    }  # fmt: skip
