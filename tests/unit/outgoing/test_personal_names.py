"""Names as one writes them, and as one greets by them."""

import email
import email.policy

import pytest

from tests.helpdesk import HelpDesk, writes


@pytest.mark.fault("N7")
@pytest.mark.parametrize(("name", "written"), [
    ("Karl Kunde", "Karl Kunde"), ("Kunde, Karl", "Karl Kunde"), ("  Kunde ,  Karl Peter ", "Karl Peter Kunde"),
    ("Kunde, Karl (Example GmbH)", "Karl Kunde"), ("Karl Kunde | Example", "Karl Kunde"),
    ("Karl Kunde - Example GmbH", "Karl Kunde"), ("'Karl Kunde' via Forum", "Karl Kunde"),
    ("Karl Kunde [EXT]", "Karl Kunde"), ("Kunde, Dr. Karl", "Dr. Karl Kunde"), ("Karl Kunde, PhD", "Karl Kunde"),
    ("Example, Inc.", "Example, Inc."), ("Hans-Peter von der Au", "Hans-Peter von der Au"), ("", ""),
    ("(Example)", "(Example)"), ("Meier, Müller, Schulze", "Meier, Müller, Schulze"),
])  # fmt: skip
def test_a_name_as_one_writes_it(name: str, written: str) -> None:
    """Given name first, without what mail programs, directories and companies add to it."""
    from redmine_mailbridge.outgoing.personal_names import as_written

    assert written == as_written(name)


@pytest.mark.fault("A19-6")
@pytest.mark.parametrize(("name", "written"), [
    ("Lars Per Olsson", "Lars Per Olsson"), ("Olsson, Per Lars", "Per Lars Olsson"),
    ("Hansen, Per (Example AS)", "Per Hansen"), ("Kim Client per Forum", "Kim Client"),
])  # fmt: skip
def test_a_given_name_is_no_addition(name: str, written: str) -> None:
    """Per is a given name, "per Forum" an addition."""
    from redmine_mailbridge.outgoing.personal_names import as_written

    assert written == as_written(name)


@pytest.mark.fault("N7")
@pytest.mark.parametrize(("name", "greeted"), [
    ("Kunde, Karl", "Karl Kunde"), ("Karl", "Karl"),
    ("kunde@x.example", ""), ("info", ""), ("Example GmbH", ""),
    ("Team Einkauf", ""), ("Scanner 4000", ""), ("karl.kunde", ""),
    ("李雷", "李雷"), ("O'Neill, Síle", "Síle O'Neill"), ("", ""),
    ("Visit http://evil.example", ""), ("X" * 61, ""),
])  # fmt: skip
def test_a_name_that_one_greets_by(name: str, greeted: str) -> None:
    """People are greeted by name; companies, departments, devices and addresses are not."""
    from redmine_mailbridge.outgoing.personal_names import to_greet

    assert greeted == to_greet(name)


@pytest.mark.fault("N7")
@pytest.mark.parametrize("proven", [True, False])
def test_a_greeting_as_one_would_write_it(desk: HelpDesk, *, proven: bool) -> None:
    """ "Kunde, Karl" is greeted as Karl Kunde, whether his mail is proven to be his or not, and an address without a
    person's name is greeted without one.
    """
    desk.mail(writes('"Kunde, Karl" <karl@client.example>', proven=proven))
    desk.mail(writes("Einkauf <einkauf@client.example>", "Order", proven=proven))
    desk.turn()
    mails = {to: email.message_from_bytes(raw, policy=email.policy.default) for to, raw in desk.post.taken}
    texts = {to: mail.get_body(("plain",)).get_content().replace("\r\n", "\n") for to, mail in mails.items()}  # type: ignore[union-attr]  # each has one
    assert "Hello Karl Kunde,\n" in texts["karl@client.example"]
    assert "Hello,\n" in texts["einkauf@client.example"]
