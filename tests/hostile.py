"""Mails of people who want to be somebody else, or to reach what they may not see. Used by pure and by real tests.

The world they aim at: corp.example is ours, its mail server mx.corp.example puts Authentication-Results on top.
anna@corp.example is an agent, admin@corp.example an administrator, lena@corp.example locked; kim@client.example takes
part in issue {secret} of a private project, in the private issue {private}, and in the public issue {public}.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The numbers of the issues that the mails aim at."""

    public: int
    private: int
    secret: int


_MAIL = """Authentication-Results: mx.corp.example; {verdict}
Received: from outside.example by mx.corp.example; Wed, 20 May 2026 10:00:00 +0000
From: {sender}
To: support@corp.example
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
        values = {"verdict": NONE, "sender": EVIL, "subject": "Hello", "headers": "", "body": "Please do."} | fields
        if values["headers"] and not values["headers"].endswith("\n"):
            values["headers"] += "\n"
        yield name, _MAIL.format(number=number, **values).replace("\n", "\r\n").encode()


def _cases(at: Target) -> dict[str, dict[str, str]]:
    """The mails by name, each as what differs from a plain one."""
    return _forged_from(at) | _forged_references(at) | _tricks_with_names(at) | _injections(at)


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
