"""What the bridge says by itself: to whom, and how little of a stranger's mail or of our own house it repeats."""

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest

from tests.helpdesk import BOB, BRIDGE, CAROL, HelpDesk, help_desk, post, text_of, writes

KIM = "kim@client.example"


def answered(desk: HelpDesk, raw: bytes) -> list[tuple[str, Any]]:
    """The answers to a mail: recipient and mail."""
    desk.post.taken.clear()
    desk.mail(raw)
    desk.turn()
    return [(to, email.message_from_bytes(raw, policy=email.policy.default)) for to, raw in desk.post.taken]


HOUSE = ("carol ", "carol:", "unknown_sender", "reply_only", "hard-customers", "sales-internal", "in desk", "setting")
INSIDE = "sales-internal"
CLAIMS = writes("carol@client.example", proven=False, Reply_To="x@evil.example")
REFUSED = {
    "unknown": ({"issue": {"unknown_sender": "refuse"}}, writes(KIM)),
    "claims to be a user": ({"issue": {"unknown_sender": "refuse"}}, CLAIMS),
    "ignored": ({"issue": {"unknown_sender": "ignore"}}, CLAIMS),
    "rule": ({"rules": [{"name": "hard-customers", "sender": "client.example", "action": "refuse"}]}, writes(KIM)),
    "project": (
        {"issue": {"project_from_subaddress": True, "project": None}}, writes(KIM, to=f"desk+{INSIDE}@example.com"),
    ),
    "no permission": ({}, writes("carol@client.example")),
}  # fmt: skip


@pytest.mark.fault("S2", "V11")
@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_nothing_of_the_house(desk: HelpDesk, case: str) -> None:
    """Whoever is refused reads that, and why in general: no login, no project, no setting, no rule; the operator reads
    all of it on the record.
    """
    box, raw = REFUSED[case]
    desk.change({"mailboxes": {"desk": box}})
    desk.redmine.may.remove("add_issues")
    ((_, mail),) = answered(desk, raw)
    said = f"{mail['Subject']}\n{text_of(mail)}"
    assert [] == [word for word in HOUSE if word in said]
    assert "could not accept" in said
    assert any(word in desk.story() for word in HOUSE)


def test_a_refusal_speaks_the_language_of_the_templates(desk: HelpDesk) -> None:
    """The reason is in German where the mail is; the record has the operator's."""
    desk.change({"outgoing": {"language": "de-AT"}, "mailboxes": {"desk": {"issue": {"reply_only": True}}}})
    ((_, mail),) = answered(desk, writes(KIM))
    assert "Diese Adresse nimmt nur Antworten auf unsere eigenen Nachrichten an." in text_of(mail)
    assert "this mailbox accepts replies only" in desk.story()


@pytest.mark.fault("V13")
def test_where_nothing_proves_the_sender_the_answer_carries_no_text_of_the_mail(desk: HelpDesk) -> None:
    """Whoever's address a stranger writes into From gets no words of that stranger from us: a subject of ours, and a
    greeting only by what is a name.
    """
    spam = "Buy pills at http://evil.example"
    for name, shown in ((spam, ""), ("Kim O'Client-Grün", "Kim O'Client-Grün"), ("x" * 41, ""), ("Kim <b>", "")):
        ((to, mail),) = answered(desk, writes(f'"{name}" <{KIM}>', spam, spam, proven=False))
        said = f"{mail['Subject']}\n{mail['To']}\n{text_of(mail)}"
        assert (KIM, False, False) == (to, "pills" in said, "evil.example" in said)
        assert f"Hello{' ' if shown else ''}{shown},\n" in said
        assert "We have received your message" in mail["Subject"]
    ((_, mail),) = answered(desk, writes(f"Kim <{KIM}>", "Printer on fire"))
    assert "Printer on fire" in mail["Subject"]


@pytest.mark.fault("V13")
def test_subaddresses_are_one_person_in_the_limits(desk: HelpDesk) -> None:
    """Who writes as kim+1@, kim+2@ … has us write to kim: ten acknowledgements in ten minutes, whatever stands
    behind the plus. Others, whose names only begin alike, and what agents write, are not held back for it.
    """
    for number in range(14):
        desk.mail(writes(f"kim+{number}@client.example", f"Printer {number}", proven=False))
    desk.turn()
    assert 10 == len(desk.post.taken)
    assert "no answer: the limit of 10 to one address in 10 minutes is reached" in desk.story()
    for other in ("kimberley@client.example", "kim+1@other.example", "ki_@client.example"):
        assert [other] == [to for to, _ in answered(desk, writes(other, f"From {other}", proven=False))]
    assert [] == answered(desk, writes(KIM, "Me", proven=False))
    desk.post.taken.clear()
    (first,) = [number for number, one in desk.redmine.issues.items() if "kim+0@client.example" in one["description"]]
    desk.redmine.writes(first, BOB, "We look at it.")
    desk.turn()
    assert ["kim+0@client.example"] == [to for to, _ in desk.post.taken]


@pytest.mark.fault("V13")
def test_a_mail_that_failed_authentication_gets_no_answer(desk: HelpDesk) -> None:
    """Where the mail server says that From is false, it is somebody else's address: nobody there hears of it."""
    desk.change({"mailboxes": {"desk": {"senders": {"failed_authentication": "stranger"}}}})
    raw = writes(KIM, proven=False).replace(
        b"From: ", b"Authentication-Results: mx.example.com; dmarc=fail\r\nFrom: ", 1
    )
    top = b"Authentication-Results: mx.example.com; dmarc=fail header.from=client.example\r\n"
    assert [] == answered(desk, top + raw)
    assert 1 == len(desk.redmine.issues)


@pytest.mark.fault("V13")
@pytest.mark.parametrize(
    "sender",
    ["MAILER-DAEMON@client.example", "postmaster@client.example", "desk+loop@example.com", '"desk"@example.com'],
)
def test_no_answer_to_mail_systems_and_to_ourselves(desk: HelpDesk, sender: str) -> None:
    """Neither From nor a proven Reply-To has us write to a mail system, to ourselves or to a subaddress of ours."""
    assert [] == answered(desk, writes(sender))
    assert [] == answered(desk, writes(KIM, Reply_To=sender))


@pytest.mark.fault("V13")
def test_an_unproven_reply_to_of_another_address(desk: HelpDesk) -> None:
    """Nobody has us write to a third party: an unproven mail is answered to its From, unless the settings say that its
    Reply-To counts; a proven one to whom it names.
    """
    unproven = {"proven": False, "Reply_To": "victim@bank.example"}
    assert [KIM] == [to for to, _ in answered(desk, writes(KIM, **unproven))]  # type: ignore[arg-type]  # a table of values
    assert ["victim@bank.example"] == [to for to, _ in answered(desk, writes(KIM, Reply_To="victim@bank.example"))]
    desk.change({"mailboxes": {"desk": {"answers": {"trust_reply_to": True}}}})
    assert ["victim@bank.example"] == [to for to, _ in answered(desk, writes(KIM, **unproven))]  # type: ignore[arg-type]  # likewise


@pytest.mark.fault("O20", "O6")
@pytest.mark.parametrize("able", [True, False])
def test_customers_with_addresses_beyond_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, able: bool) -> None:
    """A customer at jürgen@straße.example gets an agent's answer where our server takes such addresses; where it does
    not, a private note tells the agents. The domain is written as IDNA 2008 has it.
    """
    customer = "jürgen@straße.example"
    with post(smtputf8=able) as server, help_desk(tmp_path / "desk", monkeypatch, server) as desk:
        desk.change({"mailboxes": {"desk": {"answers": {"received": False}}}})
        desk.turn()
        desk.mail(writes(customer, proven=False))
        desk.turn()
        desk.redmine.writes(1, BOB, "We look at it.")
        for _ in range(2):
            desk.turn()
        assert (["jürgen@xn--strae-oqa.example"] if able else []) == [to for to, _ in server.taken]
        told = [one["notes"] for one in desk.redmine.issues[1]["journals"] if one["user"]["id"] == BRIDGE]
        assert [] == told if able else "SMTPUTF8" in told[0]


@pytest.mark.fault("O20")
def test_an_address_that_no_mail_can_go_to_is_told(desk: HelpDesk) -> None:
    """An agent who writes to a customer whose address is none learns it by a private note, once."""
    desk.mail(writes("kim..x@client.example", proven=False))
    desk.turn()
    for _ in range(2):
        desk.redmine.writes(1, BOB, "We look at it.")
        desk.turn()
        desk.turn()
    told = [one["notes"] for one in desk.redmine.issues[1]["journals"] if one["user"]["id"] == BRIDGE]
    assert (1, True) == (len(told), "kim..x@client.example" in told[0])


@pytest.mark.fault("O6")
def test_our_own_address_beyond_ascii(desk: HelpDesk) -> None:
    """An address of ours whose domain is not ASCII sends under its IDNA name, and mail to either spelling is ours; one
    whose part before the @ is not ASCII is refused by the settings, which say what to change.
    """
    from redmine_mailbridge.settings.models import Settings

    desk.change({"mailboxes": {"desk": {"address": "desk@straße.example"}}})
    ((_, mail),) = answered(desk, writes(KIM, to="desk@straße.example"))
    assert ("desk@xn--strae-oqa.example", True) == (
        mail["From"],
        str(mail["Message-ID"]).endswith("@xn--strae-oqa.example>"),
    )
    assert [] == answered(desk, writes(KIM, Reply_To="desk@xn--strae-oqa.example"))
    desk.change({"mailboxes": {"desk": {"address": "büro@example.com"}}})
    with pytest.raises(ValueError, match=r'"büro" before the @ must be ASCII.*set outgoing.from_address to another'):
        Settings.model_validate(desk.values)
    desk.change({"mailboxes": {"desk": {"outgoing": {"from_address": "buero@example.com"}}}})
    assert Settings.model_validate(desk.values)


@pytest.mark.fault("O5")
def test_certificates_that_are_not_there_are_an_outage(desk: HelpDesk) -> None:
    """A missing file of Redmine's certificates is told as what it is: no mail goes to the failure folder for it, and
    `check` ends in lines.
    """
    desk.change({"redmine": {"ca_file": "/no/such/file.pem"}})
    desk.mail(writes(KIM))
    import responses

    with responses.RequestsMock(assert_all_requests_are_fired=False) as nothing:
        nothing.add_passthru("https://")
        desk.turn()
        done = desk.command("check")
    with desk.application() as made:
        from redmine_mailbridge.store.queries.messages import MessageFilter

        (row,) = made.message_queries.messages(MessageFilter())
    assert ("stored", None) == (row.state.value, row.filed_to)
    assert "/no/such/file.pem" in str(row.reason)
    assert (None, True) == (
        done.exception if not isinstance(done.exception, SystemExit) else None,
        "/no/such/file.pem" in done.output,
    )


@pytest.mark.fault("A13-O3")
def test_whom_a_proven_stranger_has_us_write_to_reads_nothing_of_his(desk: HelpDesk) -> None:
    """A stranger who is proven by a domain of his own names somebody else in Reply-To: that one gets an acknowledgement
    with nothing of the stranger's text; the sender himself has his subject in it.
    """
    spam = "Pay at evil.example"
    raw = writes(
        "Pay at evil.example now <a@evil.example>", spam, spam, Reply_To='"Pay at evil.example" <kim@v.example>'
    )
    ((to, mail),) = answered(desk, raw)
    assert "kim@v.example" == to
    assert "evil.example" not in mail.as_string().replace(str(mail["In-Reply-To"]), "")
    ((to, mail),) = answered(desk, writes("a@evil.example", spam, spam, Reply_To="Me <A@evil.example>"))
    assert ("a@evil.example", True) == (to.lower(), spam in str(mail["Subject"]))


@pytest.mark.fault("A13-I8")
def test_a_mailbox_that_rests_still_has_a_say_in_its_issues(desk: HelpDesk) -> None:
    """A mailbox that believes nobody without proof made the issue and was switched off; another one believes anybody.
    Through it nobody acts as a user on that issue whose address he bears.
    """
    forged = writes("carol@client.example", "Re: [Desk - Bug #{}] x", "Close it.", proven=False, to="lab@example.com")
    desk.mail(writes("carol@client.example"))
    desk.turn()
    lab = {"address": "lab@example.com", "issue": {"project": "desk", "trust": "any"}}
    desk.change({"mailboxes": {"lab": {**desk.values["mailboxes"]["desk"], **lab}}})
    desk.change({"mailboxes": {"desk": {"active": False}}})
    desk.mail(writes("carol@client.example", "Other", proven=False, to="lab@example.com"))
    desk.turn()
    assert {CAROL} == {one["author"]["id"] for one in desk.redmine.issues.values()}
    for number in (1, 2):
        desk.mail(forged.replace(b"#{}", f"#{number}".encode()).replace(b".test@", f".{number}.test@".encode()))
    desk.turn()
    wrote = {number: [note["user"]["id"] for note in one["journals"]] for number, one in desk.redmine.issues.items()}
    assert {1: [BRIDGE], 2: [CAROL]} == wrote
