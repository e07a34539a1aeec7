"""The custom field for the requester's address corrects the requester, if it holds an address that mail can go to."""

import pytest

from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.update.requester_fields import RequesterFields
from tests.unit.store.kept import describe, keep, make

KIM, LEE = "kim@c.example", "lee@c.example"
INTENT = WriteIntent(IssueRequest(1, {"custom_fields": [{"id": 72, "value": "Kim@C.example"}]}), "made")


def corrected(store: Store, value: object, *, name: str | None = "Requester", shown: str = "requester") -> str:
    """The requester of kim's issue when Redmine shows this value."""
    number = keep(store, 1)
    describe(store, number, "1@x", sender=KIM)
    make(store, number, 10, request=INTENT.to_json())
    fields = RequesterFields({"desk": name}, store.requesters, ["help@c.example"])
    found = {
        "id": 10,
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
    fields = RequesterFields({"desk": "Requester"}, store.requesters, [])
    found = {"id": 10, "custom_fields": [{"id": 72, "name": "Requester", "value": written}]}
    assert written == fields.correct(found, IssueOrigin(10, number, "desk", written, intent.to_json()), intent)
    assert None is store.requesters.last(number)


def test_no_field(store: Store) -> None:
    """Without a field in the settings, or in the issue, nothing is changed."""
    assert KIM == corrected(store, LEE, name=None)


def test_another_field(store: Store) -> None:
    """Another field's value is not looked at."""
    assert KIM == corrected(store, LEE, shown="other", name="Requester")
