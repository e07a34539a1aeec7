"""A person's mail is never taken for a machine's: verdicts need marks that people's mail cannot carry by accident."""

import pytest

from redmine_mailbridge.mail.message import Automatic, AutomaticKind, ReadingOptions
from redmine_mailbridge.mail.parse import read

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
