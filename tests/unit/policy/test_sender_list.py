"""The senders that a person has blocked or allowed: what counts for an address, and before the settings' lists."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.sender_list import ListedSender, SenderListing
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.sender_list import candidates, listed, pattern_of
from tests.unit.policy.world import NEIGHBOURS, facts, identity, message, route_of, short

BLOCK, ALLOW = SenderListing.BLOCK, SenderListing.ALLOW


def entries(*given: tuple[str, SenderListing]) -> tuple[ListedSender, ...]:
    return tuple(ListedSender(pattern, listing, "anna", 1_780_000_000.0) for pattern, listing in given)


def plan(row: dict[str, str], *given: tuple[str, SenderListing]) -> Plan:
    known = replace(facts(row), listed_senders=entries(*given))
    return decide(message(row), route_of(row.get("set", ""), row), identity(row), known)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("kim@mail.client.example", "kim@mail.client.example"),
        ("KIM@Mail.Client.Example", "kim@mail.client.example"),
        ("jo@mail.client.example", "mail.client.example"),
        ("jo@deep.mail.client.example", "*.mail.client.example"),
        ("jo@other.client.example", "*.client.example"),
        ("jo@client.example", None),
        ("jo@notclient.example", None),
        ("not an address", None),
        ("", None),
    ],
)
def test_the_most_exact_entry_counts(address: str, expected: str | None) -> None:
    """An address before its domain, that before the domains above it; "*.d" is not about d itself."""
    given = entries(
        ("kim@mail.client.example", BLOCK), ("mail.client.example", ALLOW), ("*.mail.client.example", BLOCK),
        ("*.client.example", ALLOW),
    )  # fmt: skip
    found = listed(address, given)
    assert expected == (found.pattern if found else None)


def test_an_address_is_known_however_its_domain_is_written() -> None:
    """Whether a domain is written in its own script or in ASCII makes no difference."""
    assert "kim@xn--bcher-kva.example" in candidates("kim@b\u00fccher.example")
    assert "kim@b\u00fccher.example" in candidates("kim@xn--bcher-kva.example")


def test_a_domain_of_many_labels_costs_little() -> None:
    """A stranger's From of a thousand labels asks for a few patterns."""
    assert len(candidates("a@" + "x." * 1000 + "example")) < 40


def test_a_person_decides_before_the_settings() -> None:
    """A block by hand overrules `allow`, an allow by hand overrules `block`, and the record says whose it is."""
    blocked = plan({"set": 'senders.allow = ["*"]'}, ("kim@client.example", BLOCK))
    assert ("refuse", "the sender is blocked by kim@client.example (anna, 2026-05-28)") == (
        short(blocked), blocked.reason,
    )  # fmt: skip
    allowed = plan({"set": 'senders.block = ["*"]'}, ("client.example", ALLOW))
    assert "create support -" == short(allowed)
    assert "the sender is blocked by *, but allowed by client.example (anna, 2026-05-28)" in allowed.steps
    assert "refuse" == short(plan({"set": 'senders.block = ["*"]'}, ("else.example", ALLOW)))


def test_a_block_holds_for_replies_and_users_too() -> None:
    """Whoever is blocked adds nothing to an issue of his own either, proven or not."""
    assert "refuse" == short(plan({"ref": "signed:10"}, ("kim@client.example", BLOCK)))
    assert "ignore" == short(
        plan({"from": "anna", "auth": "passed", "set": 'senders.blocked = "ignore"'}, ("anna@corp.example", BLOCK))
    )


@pytest.mark.parametrize("auth", ["unknown", "failed"])
def test_an_allowed_address_in_a_forged_from_gains_nothing(auth: str) -> None:
    """Allowed is not trusted: the mail acts as nobody, and spam stays spam."""
    row = {"from": "anna", "auth": auth}
    assert "create support -" == short(plan(row, ("anna@corp.example", ALLOW)))
    assert "junk" == short(plan({**row, "spam": "yes", "set": 'senders.spam = "junk"'}, ("anna@corp.example", ALLOW)))
    proven = {**row, "auth": "passed", "spam": "yes", "set": 'senders.spam = "junk"'}
    assert "create support anna" == short(plan(proven, ("anna@corp.example", ALLOW)))


def test_an_allow_by_hand_opens_every_mailbox_concerned() -> None:
    """It is for all mailboxes, also for the one that blocks everybody."""
    assert ("*",) == NEIGHBOURS["closed"].senders.block
    row = {"to": "closed@corp.example", "from": "stranger"}
    assert "refuse" == short(plan(row))
    assert "the sender is blocked" not in plan(row, ("stranger@else.example", ALLOW)).reason


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (" Kim@Client.Example ", "kim@client.example"),
        ("client.example.com", "client.example.com"),
        ("@example.com", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("Kim@B\u00dcCHER.example", "kim@xn--bcher-kva.example"),
        ('"kim"@client.example', "kim@client.example"),
        ("root@localhost", "root@localhost"),
        ("Kim@Intranet", "kim@intranet"),
    ],
)
def test_what_may_be_listed(typed: str, expected: str) -> None:
    """Addresses, domains and their subdomains."""
    assert expected == pattern_of(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "*", "com", "co.uk", "*.co.uk", "kim", "kim@", "kim@com", "a b@example.com", "*@example.com.*",
     "a@*.example.com", "/.*/", "From: x", "x" * 300 + "@example.com", "kim@example.com\n", "a\u200bb@example.com",
     "[192.0.2.1]", "example.com.", "kim@example.com.", "*@example.com", "a@b@example.com", "<kim@example.com>",
     "kim@co.uk", "intranet", "*.intranet",
     "mailto:kim@example.com", "kim@example.com,jo@example.com", "exam<b>ple.com"],
)  # fmt: skip
def test_what_may_not(typed: str) -> None:
    """Neither everybody, nor a public suffix, nor what is no address; surrounding space is no fault."""
    if typed.strip() == "kim@example.com":
        assert "kim@example.com" == pattern_of(typed)
        return
    with pytest.raises(ValueError, match="is neither an address nor a domain"):
        pattern_of(typed)


def test_the_person_behind_a_form() -> None:
    """Whoever is blocked by hand is also blocked behind a form that is let in; the form's own entry is about all."""
    row = {"from": "wordpress@www.example", "reply": "kim", "set": 'senders.forms = ["wordpress@www.example"]'}
    assert "create support -" == short(plan(row))
    assert "refuse" == short(plan(row, ("kim@client.example", BLOCK)))
    assert "refuse" == short(plan(row, ("wordpress@www.example", BLOCK), ("kim@client.example", ALLOW)))
    assert "refuse" == short(plan(row, ("wordpress@www.example", ALLOW), ("kim@client.example", BLOCK)))


@pytest.mark.fault("A20-2")
@pytest.mark.parametrize("address", ['"kim"@client.example', "kim@client.example.", "KIM@CLIENT.EXAMPLE"])
@pytest.mark.parametrize("pattern", ["kim@client.example", "client.example", "*.example"])
def test_a_block_holds_however_the_address_is_written(address: str, pattern: str) -> None:
    """Quotes without need, a dot after the domain and capitals mean the same mailbox: by hand and by settings."""
    assert pattern in candidates(address)
    told = message({"from": "kim"})
    mail = replace(told, sender=replace(told.sender, address=address))
    for known, setting in ((entries((pattern, BLOCK)), ""), ((), f"senders.block = ['{pattern}']")):
        row = {"from": "kim", "set": setting}
        made = decide(mail, route_of(setting, row), identity(row), replace(facts(row), listed_senders=known))
        assert "refuse" == short(made), made.reason


@pytest.mark.fault("A20-2")
def test_a_sender_has_one_entry() -> None:
    """Typed in either script, in capitals or quotes, it is the same pattern, so that no two entries contradict."""
    ways = ("Kim@B\u00fccher.example", "kim@xn--bcher-kva.example", '"kim"@B\u00dcCHER.example')
    assert {"kim@xn--bcher-kva.example"} == {pattern_of(one) for one in ways}
    assert "kim@xn--bcher-kva.example" in candidates("KIM@b\u00fccher.example")
