"""A person's mail is never taken for a machine's: verdicts need marks that people's mail cannot carry by accident."""

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import Automatic, AutomaticKind, ReadingOptions

OURS = ReadingOptions(own_addresses=frozenset({"help@firm.example"}))


def judged(*fields: str, body: str = "The lift does not work.", sender: str = "ann@customer.example") -> Automatic:
    head = "\r\n".join([f"From: {sender}", "To: help@firm.example", "Message-ID: <1@customer.example>", *fields])
    return read(f"{head}\r\n\r\n{body}\r\n".encode(), OURS).automatic


@pytest.mark.fault("R1")
@pytest.mark.parametrize(
    "fields",
    [
        ("Reply-To: Kim <kim@client.example>", "X-Mailer: WPForms"),
        ("Reply-To: Kim <kim@client.example>", "X-Original-From: Kim <kim@client.example>", "List-ID: <help.firm>"),
        ("Subject: Scan from the copier",),
    ],
    ids=["form", "group", "scanner"],
)
def test_a_from_of_our_own_is_no_mark_of_our_own_mail(fields: tuple[str, ...]) -> None:
    """What a form, a group or a copier sends from our address is somebody's mail; no automatic answer is due to it."""
    verdict = judged(*fields, sender="Help <help@firm.example>")
    assert (False, False) == (verdict.kind is AutomaticKind.OWN, verdict.answerable)


@pytest.mark.fault("R2")
@pytest.mark.parametrize(
    "fields",
    [
        ("Subject: Urlaub im Kalender fehlt", "X-Auto-Response-Suppress: DR, OOF, AutoReply"),
        ("Subject: Out of office cannot be switched on", "X-MIMETrack: Itemize by SMTP Server"),
        ("Subject: I'm out of toner", "X-Notes-Item: Memo; name=Form"),
        ("Subject: Order 7", "Return-Path: <>"),
        ("Subject: Re: Order 7", "Return-Path: <>", "In-Reply-To: <2@firm.example>"),
    ],
)
def test_a_person_who_writes_about_leave(fields: tuple[str, ...]) -> None:
    """A word about leave beside what ordinary Exchange and Domino mail carries, or a null path alone, accuse nobody."""
    assert judged(*fields).kind is None


@pytest.mark.parametrize(
    "fields",
    [
        ("Subject: Automatic reply: Order 7", "X-Auto-Response-Suppress: All"),
        ("Subject: Abwesenheitsnotiz: Bestellung", "X-MIMETrack: Itemize by SMTP Server"),
        ("Subject: Urlaub", "Return-Path: <>"),
        ("Subject: Out of office", "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent"),
        ("Subject: x", "Auto-Submitted: auto-replied"),
    ],
)
def test_a_machine_that_answers(fields: tuple[str, ...]) -> None:
    """What answering machines write in front of the subject, or into headers of their own, still tells them."""
    assert judged(*fields).kind is AutomaticKind.AUTO_REPLY


@pytest.mark.fault("R4")
def test_the_absence_of_icloud() -> None:
    """Apple's rule of absence is an automatic reply."""
    assert judged("Subject: Re: Order", "X-Apple-Action: VACATION").kind is AutomaticKind.AUTO_REPLY


@pytest.mark.fault("R4")
@pytest.mark.parametrize("sender", ["MAILER-DAEMON@relay.example", "Postmaster <postmaster@relay.example>"])
def test_a_mail_system_gets_no_answer(sender: str) -> None:
    """Whatever a mail system says in words that nobody knows, no automatic answer is due to it."""
    assert not judged("Subject: Hinweis", sender=sender).answerable


@pytest.mark.fault("R4")
def test_a_report_within_a_mixed_mail() -> None:
    """A message/delivery-status is a delivery report also from an empty From and in multipart/mixed."""
    body = (
        "--b\r\n\r\nnothing doing\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bo@x.example\r\nAction: failed\r\n"
        "Status: 5.1.1\r\n--b--"
    )
    verdict = judged("Content-Type: multipart/mixed; boundary=b", "Subject: mail", body=body, sender="<>")
    assert AutomaticKind.BOUNCE is verdict.kind


@pytest.mark.fault("A13-I3")
def test_what_an_inbox_rule_redirects_is_its_writers() -> None:
    """Exchange puts X-MS-Exchange-Inbox-Rules-Loop into what a rule redirects: a person's mail about a leave is still
    a person's; an answer that machines put their words in front of is still a machine's.
    """
    redirected = (
        "From: kim@client.example\r\nX-MS-Exchange-Inbox-Rules-Loop: old@corp.example\r\nSubject: {}\r\n\r\nHi\r\n"
    )
    for subject, expected in (
        ("Urlaub im August: das VPN geht nicht", None),
        ("The vacation calendar does not load", None),
        ("Automatic reply: Printer", AutomaticKind.AUTO_REPLY),
    ):
        assert expected == read(redirected.format(subject).encode(), ReadingOptions()).automatic.kind


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(
            "Subject: Re: our mail is rejected by you\r\nIn-Reply-To: <1@example.com>",
            None,
            marks=pytest.mark.fault("A13-I4"),
        ),
        pytest.param(
            "Subject: AW: Zustellbarkeit\r\nReferences: <1@example.com>", None, marks=pytest.mark.fault("A13-I4")
        ),
        pytest.param(
            "Return-Path: <postmaster@client.example>\r\nSubject: Your server rejected our mail",
            None,
            marks=pytest.mark.fault("A13-I4"),
        ),
        ("Return-Path: <>\r\nSubject: Re: Undeliverable: Printer", AutomaticKind.BOUNCE),
        ("Return-Path: <MAILER-DAEMON@client.example>\r\nSubject: failure notice", AutomaticKind.BOUNCE),
        ("Subject: Undeliverable: Re: Printer", AutomaticKind.BOUNCE),
    ],
)
def test_a_postmaster_who_writes_himself(head: str, expected: AutomaticKind | None) -> None:
    """A postmaster's own words about mail that was rejected are no delivery report: they come from an address, or
    answer a mail; reports come from the null path.
    """
    raw = f"From: postmaster@client.example\r\n{head}\r\n\r\nPlease look.\r\n".encode()
    assert expected == read(raw, ReadingOptions()).automatic.kind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (("Message-ID: <redmine.issue-5.20260101120000.abc@redmine.example>",), AutomaticKind.OWN),
        (("X-Redmine-Issue-Id: 5",), AutomaticKind.OWN),
        (("X-Mailer: Redmine",), AutomaticKind.OWN),
        (("Content-Class: urn:content-classes:mdn",), AutomaticKind.AUTO_REPLY),
        (("Precedence: auto_reply",), AutomaticKind.AUTO_REPLY),
        (("X-Autoreply: yes",), AutomaticKind.AUTO_REPLY),
        (("X-Autoreply: no",), None),
        (("Subject: Out of office", "Auto-Submitted: auto-generated"), AutomaticKind.AUTO_REPLY),
        (("Subject: Out of office", "Precedence: junk"), AutomaticKind.AUTO_REPLY),
        (("List-Id: <users.example.org>",), AutomaticKind.LIST),
        (("List-Id: no",), None),
        (("Precedence: list",), AutomaticKind.LIST),
        (("Precedence: bulk", "Sender: owner-users@example.org"), AutomaticKind.LIST),
        (("Auto-Submitted: auto-notified",), AutomaticKind.NOTIFICATION),
        (("Precedence: junk",), AutomaticKind.NOTIFICATION),
        (("X-Grafana-Alert: disk",), AutomaticKind.NOTIFICATION),
        (("X-Mailer: Nagios XI 5",), AutomaticKind.NOTIFICATION),
    ],
)
def test_which_machine_wrote(fields: tuple[str, ...], kind: AutomaticKind | None) -> None:
    """Redmine's own mail, receipts, answering machines, lists and monitors are told apart by what they write; a header
    that says "no" accuses nobody. None of them gets an automatic answer.
    """
    verdict = judged(*fields)
    assert (kind, kind is None) == (verdict.kind, verdict.answerable)


def test_an_absence_in_the_words_alone() -> None:
    """A message without a return path that answers ours and speaks of an absence is an answering machine's."""
    body = "I am out of the office until Monday."
    verdict = judged("Subject: Re: Order", "Return-Path: <>", "In-Reply-To: <2@firm.example>", body=body)
    assert verdict.kind is AutomaticKind.AUTO_REPLY


@pytest.mark.parametrize(
    "field",
    ["Precedence: bulk", "X-GitHub-Reason: mention", "X-Auto-Response-Suppress: All", "Subject: Automatic reply: x"],
)
def test_a_person_whom_no_machine_answers(field: str) -> None:
    """What a tracker passes on, and what asks for no automatic answer, is a person's mail that gets none."""
    verdict = judged(field)
    assert (None, False) == (verdict.kind, verdict.answerable)
