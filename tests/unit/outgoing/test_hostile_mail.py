"""Whatever strangers and agents write, each mail that leaves is the mail that was meant, as a mail parser sees it."""

import base64
import email
import email.header
import email.policy
import email.utils
import re
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail
from redmine_mailbridge.outgoing.template_variables import EXAMPLES
from redmine_mailbridge.store.issue_copy import IssueCopy
from tests.helpdesk import ANNA, Post, help_desk, writes

FIELDS = {
    "from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted", "precedence",
    "x-auto-response-suppress", "x-mailbridge-loop", "thread-topic", "thread-index", "mime-version", "content-type",
    "content-transfer-encoding",
}  # fmt: skip
"""What a mail of ours may have; no Reply-To, since the settings of these tests name none."""
INJECTED = "x\r\nReply-To: thief@evil.example\r\nContent-Type: text/html\r\n\r\n<b>Pay here</b>"


def word(text: str, kind: str = "q") -> str:
    """Given a text, return it as one encoded word, however long."""
    data = text.encode("utf-8", "surrogatepass")
    if kind == "b":
        return f"=?utf-8?b?{base64.b64encode(data).decode()}?="
    return f"=?utf-8?q?{re.sub(rb'[^A-Za-z0-9]', lambda one: b'=%02x' % one[0][0], data).decode()}?="


PLAIN = {
    "a line end": INJECTED,
    "a bare LF": "x\nBcc: thief@evil.example",
    "a bare CR": "x\rBcc: thief@evil.example",
    "NUL": "x\x00y",
    "bidi controls": "\u202eelpmaxe\u202c \u2066x\u2069 \u200f",
    "other line ends": "x\u2028Bcc: thief@evil.example\u2029\x85\x0b\x0cz",
    "quotes and brackets": '" <thief@evil.example>, "\\',
    "a lone backslash": "x\\",
    "a group": "undisclosed: thief@evil.example;",
    "a comment": "(x) (unclosed",
    "nothing": "",
    "emoji": "\U0001f469\u200d\U0001f4bb \u0644\u0627",
}
HOSTILE: dict[str, str] = {
    **{f"{name}, encoded": word(text) for name, text in PLAIN.items()},
    **{f"{name}, encoded twice": word(word(text), "b") for name, text in PLAIN.items() if len(text) < 1000},
    **{f"{name}, three times": word(word(word(text)), "b") for name, text in PLAIN.items() if len(text) < 200},
    **{name: text for name, text in PLAIN.items() if not re.search(r"[\r\n\x85\x0b\x0c\u2028\u2029]", text)},
    "an unknown byte": "=?utf-8?b?/w==?=\u00e4",
    "surrogates": "=?utf-16?b?ANgA2ADcANw=?= =?utf-7?q?+2AA-?=",
    "an unclosed word": "=?utf-8?q?x=0d=0aBcc:_thief=40evil.example",
}
LONG = {"words": "xy " * 33_000, "umlauts": "\u00e4" * 50_000}
CASES: dict[str, dict[str, str]] = {
    **{name: {"all": value} for name, value in HOSTILE.items()},
    **{
        f"100 kB of {name} in {field}": {field: value}
        for name, value in LONG.items()
        for field in ("subject", "ids", "text")
    },
    "100 kB, encoded": {"subject": word(LONG["words"], "b")},
}
EXPECTED = re.compile(
    r"(?:p|cc)[0-9]+@(?:client|refused)\.example|(?:admin|boss)[0-9]+@example\.com|[a-z0-9]+@evil\.example"
)
"""Whom mail goes to: who wrote, and whom the settings and the mails themselves name in Cc."""
SURROGATE = "\ud800 a lone one \udfff"
"""What Redmine's JSON can bring, and no mail."""


def hostile_mail(number: int, values: dict[str, str], sender: str, unique: str = "") -> bytes:
    """Given what stands in which field ("all": wherever a mail can bear something), return a mail of this sender's."""
    everywhere = values.get("all", "x")
    shown, ids = values.get("subject", everywhere), values.get("ids", everywhere)
    return writes(
        f"{name(shown)} <{sender}>",
        shown,
        f"{values.get('text', everywhere)}\nIt burns.",
        Reply_To=f"{name(everywhere)} <{sender}>",
        Cc=f"{name(everywhere)} <cc{number}@client.example>, {everywhere} <{everywhere}{number}@evil.example>",
        Message_ID=f"<{number}{unique}{ids}@x>",
        In_Reply_To=f"<{everywhere}@y> <{number}.b@y>",
        References=f"<{ids}@y> <a.{everywhere}> <{number}.c@y>",
        Thread_Topic=shown,
        Thread_Index=everywhere,
    )


def name(value: str) -> str:
    """Given a value, return it as a display name: encoded words as they are, all else between quotes."""
    if "=?" in value:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def problems(to: str, raw: bytes) -> list[str]:
    """Given a mail as it left and whom for, return what is wrong with it. Its header is ASCII, but for those whose own
    addresses are not (RFC 6532).
    """
    found = []
    head, _, _ = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    mail = email.message_from_bytes(raw)
    names = [name.lower() for name in mail]
    if set(names) - FIELDS or len(set(names)) != len(names):
        found.append(f"other fields than those set: {names}")
    if any(b"\r" in line or b"\n" in line or b"\x00" in line or len(line) > 998 for line in lines):
        found.append("a broken line in the header")
    if to.isascii() and not head.isascii():
        found.append("a header beyond ASCII")
    found += [
        f"an encoded word of {len(one)}" for one in re.findall(rb"=\?[^? ]+\?[bBqQ]\?[^? ]*\?=", head) if len(one) > 75
    ]
    found += [f"a defect: {one!r}" for part in mail.walk() for one in part.defects]
    if mail["From"] != "desk@example.com":
        found.append(f"from {mail['From']}")
    if not mail["X-Mailbridge-Loop"] or not str(mail["Message-ID"]).endswith("@example.com>"):
        found.append("no mark of ours")
    named = email.utils.getaddresses([str(mail["To"]), str(mail["Cc"] or "")])
    if odd := [one for _, one in named if one.isascii() and one and not EXPECTED.fullmatch(one)]:
        found.append(f"to {odd}")
    return [*found, *text_problems(mail), *again(raw)]


def text_problems(mail: Message) -> Iterator[str]:
    """What is wrong with the parts: each mail begins with a text, and nothing but an alternative of it is HTML."""
    parts = [part for part in mail.walk() if not part.is_multipart()]
    if parts[0].get_content_type() != "text/plain" or len(parts[0].get_payload(decode=True)) < 10:
        yield f"the first part is {parts[0].get_content_type()}"
    if mail.get_content_type() not in {"text/plain", "multipart/alternative", "multipart/mixed"}:
        yield f"the mail is {mail.get_content_type()}"
    for part in parts[1:]:
        if part.get_content_type() == "text/html" and part.get_filename() is None:
            continue
        if part.get_content_disposition() != "attachment":
            yield f"a part {part.get_content_type()} that is no attachment"


def again(raw: bytes) -> Iterator[str]:
    """What a parser sees that reads encoded words, as mail programs do."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    for name, value in mail.items():
        if any(sign in str(value) for sign in "\r\n\x00\u202e\u2028"):
            yield f"{name} shows {str(value)[:80]!r}"
    subject = str(
        email.header.make_header(
            email.header.decode_header(re.sub(r"\r\n(?=[ \t])", "", str(email.message_from_bytes(raw)["Subject"])))
        )
    )
    if re.search(r"[\r\n\x00]", subject):
        yield f"the subject is {subject[:80]!r}"


@pytest.mark.fault("O1", "O3", "L2")
def test_each_mail_is_the_one_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post) -> None:
    """Line ends, NUL, surrogates, encoded words within encoded words and 100 kB of anything, in every field of the
    mails that come, in notes and names of files: every kind of mail that goes out has the header fields that were
    set, goes to those it was meant for, and its text is a text; and every mail that came is answered.
    """
    server.taken.clear()
    rules = [{"name": "no", "sender": "refused.example", "action": "refuse"}]
    box: dict[str, Any] = {
        "rules": rules,
        "issue": {"unknown_sender": "create"},
        "senders": {"create": {"notice": "own"}},
    }
    values = {"outgoing": {"daily_limit": 0}, "mailboxes": {"desk": box}}
    with help_desk(tmp_path / "desk", monkeypatch, server, values) as desk, desk.application() as made:
        desk.turn(made)
        for number, case in enumerate(CASES.values(), 1):
            desk.mail(hostile_mail(number, case, f"p{number}@client.example"))
            desk.mail(hostile_mail(number, case, f"p{number}@refused.example", "r"))
        desk.turn(made)
        issues = dict(desk.redmine.issues)
        assert len(CASES) == len(issues)
        for number, (issue, case) in enumerate(zip(issues, CASES.values(), strict=True), 1):
            value = next(iter(case.values()))
            file = f"{number} {value[:200]} {SURROGATE} {INJECTED}.pdf"
            text = f"{value} {INJECTED} {SURROGATE}"
            desk.redmine.writes(issue, ANNA, text, status=5 if number % 2 else None, **{file: b"%PDF"})
        desk.turn(made)
        desk.send_all(made)
        ours = {to: str(email.message_from_bytes(raw)["Message-ID"]) for to, raw in server.taken}
        for number, case in enumerate(CASES.values(), 1):
            raw = hostile_mail(number, case, f"p{number}@client.example", "again")
            answered = ours[f"p{number}@client.example"].encode()
            desk.mail(raw.replace(b"In-Reply-To: ", b"In-Reply-To: " + answered + b" ", 1))
        desk.turn(made)
        rows = {row.id: row for row in IssueCopy(made.store.database, made.store.clock).issues()}
        for issue, case in zip(issues, CASES.values(), strict=True):
            value = next(iter(case.values()))
            said = {"rule": value, "reason": f"{value}{INJECTED}{SURROGATE}"}
            for kind in ("reminder", "escalation"):
                made.mailer.queue(IssueMail(kind, rows[issue], "k", [Address(value, rows[issue].requester)], said))
            alert = {"alert": {"title": f"{value}{INJECTED}", "text": value, "since": SURROGATE}}
            made.mailer.queue_system("alert", f"{issue}", [Address(value, f"admin{issue}@example.com")], alert)
            budget = Address(value, f"boss{issue}@example.com")
            made.mailer.queue_system("budget", f"{issue}", [budget], EXAMPLES["budget"])
        desk.send_all(made)
    wrong = {
        f"{number} to {to}": found for number, (to, raw) in enumerate(server.taken) if (found := problems(to, raw))
    }
    assert {} == wrong
    counts = Counter(kind_of(raw) for _, raw in server.taken)
    assert {
        kind: len(CASES) for kind in ("received", "receivedreply", "reminder", "escalation", "alert", "budget")
    } == {
        kind: number for kind, number in counts.items() if kind not in {"refused", "registration", "answer", "closed"}
    }
    assert (len(CASES), len(CASES)) == (counts["refused"], counts["registration"])
    assert counts["answer"] + counts["closed"] >= len(CASES)


@pytest.mark.fault("O1")
def test_a_message_id_makes_no_mail_of_a_stranger_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post
) -> None:
    """A Message-ID that holds a header and a body, encoded, has us send neither, and least of all to a third party."""
    server.taken.clear()
    evil = word("x\r\nContent-Type: text/html\r\n\r\n<b>Pay here</b>")
    with help_desk(tmp_path / "desk", monkeypatch, server) as desk:
        desk.turn()
        desk.mail(writes("Kim <kim@client.example>", Message_ID=f"<{evil}@evil.example>", proven=True))
        desk.turn()
    ((to, raw),) = server.taken
    mail = email.message_from_bytes(raw)
    assert ("kim@client.example", "multipart/alternative", None) == (to, mail.get_content_type(), mail["In-Reply-To"])
    assert b"Pay here" not in raw
    assert mail["X-Mailbridge-Loop"]


@pytest.mark.fault("O1")
def test_a_subject_that_is_encoded_twice_makes_no_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post
) -> None:
    """What was an encoded word within an encoded word is shown as it was written, in the acknowledgement as in the
    agent's answer; it names nobody to reply to.
    """
    server.taken.clear()
    subject = word(word("Help\r\nReply-To: thief@evil.example"), "b")
    with help_desk(tmp_path / "desk", monkeypatch, server) as desk:
        desk.turn()
        desk.mail(writes("Kim <kim@client.example>", subject))
        desk.turn()
        desk.redmine.writes(1, ANNA, "We look at it.")
        desk.turn()
    assert [None, None] == [email.message_from_bytes(raw)["Reply-To"] for _, raw in server.taken]


def kind_of(raw: bytes) -> str:
    """Given a mail of ours, return its kind, as its Message-ID says."""
    found = re.match(r"<(?:mb\.)?([a-z]+)\.", str(email.message_from_bytes(raw)["Message-ID"]))
    return found[1] if found else ""
