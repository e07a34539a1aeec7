"""The custom field for the requester's address corrects the requester, if it holds an address that mail can go to."""

import pytest

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.notices import Notices
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.requesters.requester_corrector import RequesterCorrector
from redmine_mailbridge.tasks.update.requesters.requester_field_guard import RequesterFieldGuard
from redmine_mailbridge.tasks.update.requesters.requester_fields import RequesterFields
from tests.helpdesk import ANNA, BOB, HelpDesk, iso, new_mails, writes
from tests.unit.store.kept import describe, keep, make

KIM, LEE = "kim@c.example", "lee@c.example"
NOWHERE = Connection("http://127.0.0.1:9", "key")
INTENT = WriteIntent(IssueRequest(1, {"custom_fields": [{"id": 72, "value": "Kim@C.example"}]}), "made")


def of_store(store: Store, name: str | None) -> RequesterCorrector:
    """What corrects the requesters of a store; whoever may edit the field may."""
    notices, rights = Notices(store.database, store.clock), CommandRights(MetadataCache(Client(NOWHERE)))
    guard = RequesterFieldGuard({}, rights, notices, "common_mark")
    fields = RequesterFields({"desk": name}, ["help@c.example"], "common_mark")
    return RequesterCorrector(fields, store.requesters, BegunIssues(store.database, store.clock), guard)


def corrected(store: Store, value: object, *, name: str | None = "Requester", shown: str = "requester") -> str:
    """The requester of kim's issue when Redmine shows this value."""
    number = keep(store, 1)
    describe(store, number, "1@x", sender=KIM)
    make(store, number, 10, request=INTENT.to_json())
    fields = of_store(store, name)
    found = {
        "id": 10,
        "project": {"id": 7},
        "custom_fields": [{"id": 5, "name": "x", "value": LEE}, {"id": 72, "name": shown, "value": value}],
    }
    return fields.correct(found, IssueOrigin(10, number, "desk", KIM, INTENT.to_json()), INTENT)


@pytest.mark.parametrize("name", ["Requester", "requester", "72"])
def test_another_address(store: Store, name: str) -> None:
    """Another address is the requester from then on; the field may be named in any case, or by its id."""
    assert LEE == corrected(store, " Lee@C.example ", name=name)
    assert LEE == store.requesters.current(1)[0]


@pytest.mark.parametrize(
    "value",
    [
        "KIM@c.example",
        "",
        "  ",
        None,
        [LEE],
        "nobody",
        f"{KIM}, {LEE}",
        "help@c.example",
        "Help+x@c.example",
        "a@b@c",
        "@",
    ],
)
def test_what_is_no_other_address(store: Store, value: object) -> None:
    """The same address, several, none, and one of the bridge's own change nothing."""
    assert KIM == corrected(store, value)


@pytest.mark.fault("A21-6")
@pytest.mark.parametrize("value", ['"help"@c.example', '"Help+x"@c.example'])
def test_an_address_in_quotes(store: Store, value: str) -> None:
    """One of the bridge's own addresses in quotes that it does not need is still its own (RFC 5321 section 4.1.2)."""
    assert KIM == corrected(store, value)
    assert None is store.requesters.last(1)


@pytest.mark.fault("A21-6")
def test_a_customer_with_quotes(store: Store) -> None:
    """Where the bridge itself wrote an address with quotes, nobody has changed it."""
    number = keep(store, 1)
    written = '"kim.c"@c.example'
    describe(store, number, "1@x", sender=written)
    intent = WriteIntent(IssueRequest(1, {"custom_fields": [{"id": 72, "value": written}]}), "made")
    make(store, number, 10, request=intent.to_json())
    fields = of_store(store, "Requester")
    found = {"id": 10, "project": {"id": 7}, "custom_fields": [{"id": 72, "name": "Requester", "value": written}]}
    assert written == fields.correct(found, IssueOrigin(10, number, "desk", written, intent.to_json()), intent)
    assert None is store.requesters.last(number)


def test_no_field(store: Store) -> None:
    """Without a field in the settings, or in the issue, nothing is changed."""
    assert KIM == corrected(store, LEE, name=None)


def test_another_field(store: Store) -> None:
    """Another field's value is not looked at."""
    assert KIM == corrected(store, LEE, shown="other", name="Requester")


def field_says(desk: HelpDesk, user: int, value: str) -> None:
    """A user sets the address in Redmine."""
    desk.redmine.writes(1, user, "")
    issue = desk.redmine.issues[1]
    issue["custom_fields"] = [{"id": 72, "name": "Requester", "value": value}]
    issue["journals"][-1]["details"].append({"property": "cf", "name": "72", "old_value": KIM, "new_value": value})
    desk.turn()
    desk.redmine.touch(1)
    desk.turn()


def answered(desk: HelpDesk) -> list[str]:
    """An agent writes a note. Return who gets it."""
    new_mails(desk)
    desk.redmine.writes(1, ANNA, "We look at it.")
    desk.turn()
    return [to for to, _ in new_mails(desk)]


def told(desk: HelpDesk) -> list[str]:
    """What the bridge tells the agents."""
    return [entry["notes"] for entry in desk.redmine.issues[1]["journals"] if entry["private_notes"]]


def asked(desk: HelpDesk) -> None:
    """Kim has written; from then on there is a field for the requester."""
    desk.mail(writes(KIM))
    desk.turn()
    desk.change({"mailboxes": {"desk": {"issue": {"requester_field": "Requester"}}}})


@pytest.mark.parametrize("allowed", [[], ["Agent"]])
def test_an_agent_changes_the_field(desk: HelpDesk, allowed: list[str]) -> None:
    """The next note goes to the new address; with roles in the settings, if the agent has one of them."""
    desk.change({"mailboxes": {"desk": {"answers": {"command_roles": allowed}}}})
    asked(desk)
    field_says(desk, BOB, LEE)
    assert [LEE] == answered(desk)
    assert [] == told(desk)


def test_a_person_who_may_not_changes_the_field(desk: HelpDesk) -> None:
    """With roles in the settings, another person's change counts for nothing, and the agents read that, once."""
    desk.change({"mailboxes": {"desk": {"answers": {"command_roles": ["Manager"]}}}})
    asked(desk)
    field_says(desk, BOB, LEE)
    assert [KIM] == answered(desk)
    (note,) = told(desk)
    assert f"the requester field is `{LEE}`, and the writer may not change who gets mail" in note


@pytest.mark.fault("A37-1")
def test_a_reply_right_after_the_change(desk: HelpDesk) -> None:
    """A customer's reply that becomes a note before the update run hides neither the change nor who has made it."""
    desk.change({"mailboxes": {"desk": {"answers": {"command_roles": ["Agent"], "received_reply": False}}}})
    asked(desk)
    with desk.application() as made:  # the issue is known, and what follows is the only change
        row = made.issue_sync.reread(1)
        assert row is not None
        desk.redmine.issues[1]["updated_on"] = iso(row.updated_on - 3600)
        made.issue_sync.reread(1)
    new_mails(desk)
    desk.redmine.names(1, BOB, LEE, "For Lee.")
    desk.mail(writes(KIM, "Re: Printer on fire [#1]", "It still burns."))
    desk.turn()
    assert "It still burns." in desk.redmine.issues[1]["journals"][-1]["notes"]
    assert [LEE] == [to for to, _ in new_mails(desk)]
    assert [] == told(desk)


@pytest.mark.fault("A37-10")
def test_a_page_right_after_a_command(desk: HelpDesk) -> None:
    """What the bridge has written into the field is not new: whom an administrator names before the next look stays,
    until somebody changes the field, also back to the first requester.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"command_roles": ["Agent"]}}}})
    asked(desk)
    desk.redmine.fields[72] = {"name": "Requester"}
    desk.redmine.issues[1]["custom_fields"] = [{"id": 72, "name": "Requester", "value": KIM}]
    desk.redmine.writes(1, BOB, f"/requester {LEE}\nOne.")
    desk.turn()
    assert LEE == desk.redmine.issues[1]["custom_fields"][0]["value"]
    with desk.application() as made:
        made.store.requesters.set(1, "jo@c.example", "", "admin")
    desk.redmine.touch(1)
    desk.turn()
    assert ["jo@c.example"] == answered(desk)
    field_says(desk, BOB, KIM)
    assert [KIM] == answered(desk)


@pytest.mark.parametrize("value", ["nobody", f"{KIM}, {LEE}", "desk@example.com"])
def test_a_value_that_is_no_address(desk: HelpDesk, value: str) -> None:
    """Answers go where they went, and the agents read why, once."""
    asked(desk)
    field_says(desk, BOB, value)
    assert [KIM] == answered(desk)
    (note,) = told(desk)
    assert f"the requester field is `{value}`, and it is " in note


@pytest.mark.parametrize("ignored", [set(), {"custom_fields"}])
def test_the_field_follows_a_note(desk: HelpDesk, ignored: set[str]) -> None:
    """After `/requester` the field shows the new requester, who stays that if it cannot be set; a person who sets it
    afterwards changes the requester again, also back to the first one.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"command_roles": ["Agent"]}}}})
    asked(desk)
    desk.redmine.fields[72] = {"name": "Requester"}
    desk.redmine.issues[1]["custom_fields"] = [{"id": 72, "name": "Requester", "value": KIM}]
    desk.redmine.ignores = ignored
    desk.redmine.writes(1, BOB, f"/requester {LEE}\nOne.")
    for _ in range(3):
        desk.turn()
        desk.redmine.touch(1)
    shown = desk.redmine.issues[1]["custom_fields"][0]["value"]
    result = f"is not {LEE}: custom field 72" if ignored else f"is {LEE}"
    assert f'the custom field "Requester" of #1 {result}' in desk.story()
    assert (KIM if ignored else LEE) == shown
    assert [LEE] == answered(desk)
    assert 1 == desk.story().count(f"the requester of #1 is {LEE}")
    if not ignored:
        field_says(desk, BOB, KIM)
        assert [KIM] == answered(desk)
    assert [] == told(desk)
