"""What the page of a message offers for a mail that is in Redmine: another place, another requester, undo."""

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.store.sender_list import SenderList
from tests.product import mail
from tests.unit.web.site import Site


def in_redmine(site: Site, issue: int = 7) -> int:
    """A mail that has created an issue."""
    row = site.keep(mail("Printer"), sender="s@example.net", subject="Printer", uid="1")
    store = site.desk.store
    request = IssueRequest(1, {"subject": "Printer", "description": "It burns."})
    intent = WriteIntent(request, "made", participants=("s@example.net",), requester="S")
    store.record_intent(row.id, intent.to_json())
    store.done(row.id, "made", issue=issue, created=True, participants=["s@example.net"])
    return row.id


def post(site: Site, path: str, **given: object) -> str:
    return site.browser.post(path, data={**given, "back": f"/messages/{given['id']}"}, follow_redirects=True).text


def test_the_requester(site: Site) -> None:
    """It is set by one form and restored by the same, with who did it in the history; what is no address, and our own,
    change nothing.
    """
    number = in_redmine(site)
    site.sign_in()
    assert "Requester: s@example.net" in site.browser.get(f"/messages/{number}").text
    assert "cannot" not in post(site, "/messages/requester", id=number, address="Kim@Client.example", name="Kim")
    page = site.browser.get(f"/messages/{number}").text
    assert "Requester: kim@client.example" in page
    assert "Restore s@example.net" in page
    assert "the requester of #7 is kim@client.example instead of s@example.net, set by" in page
    for wrong, said in (
        ("", "Enter an address"),
        ("kim", "can receive mail"),
        ("support@example.com", "own addresses"),
    ):
        assert said in post(site, "/messages/requester", id=number, address=wrong)
    assert "is the requester again" in post(site, "/messages/requester", id=number, decision="undo")
    assert "nothing was decided manually" in post(site, "/messages/requester", id=number, decision="undo")
    assert "Requester: s@example.net" in site.browser.get(f"/messages/{number}").text


def test_a_mail_in_redmine_can_be_moved(site: Site) -> None:
    """Its page offers another issue and a new one; the decision is undone at once while nothing is written yet."""
    number = in_redmine(site)
    site.sign_in()
    page = site.browser.get(f"/messages/{number}").text
    assert "Move to this issue" in page
    assert "Undo the manual decision" not in page
    assert "will become a note" in post(site, "/messages/decide", id=number, decision="file", issue="#8")
    found = MessageQueries(site.desk.store.database)
    (row,) = found.messages(MessageFilter(ids=[number]))
    assert (State.STORED, None) == (row.state, row.issue)
    assert "will be undone" in post(site, "/messages/decide", id=number, decision="undo")
    (row,) = found.messages(MessageFilter(ids=[number]))
    assert (State.DONE, 7, 7) == (row.state, row.issue, row.created_issue)
    assert "already belongs to #7" in post(site, "/messages/decide", id=number, decision="file", issue="7")


@pytest.mark.fault("A20-7")
def test_the_page_says_what_becomes_of_the_former_issue(site: Site) -> None:
    """Before a move, and in its answer."""
    number = in_redmine(site)
    site.sign_in()
    assert "later notes there are not mailed" in site.browser.get(f"/messages/{number}").text
    assert "later notes there are not mailed" in post(site, "/messages/decide", id=number, decision="file", issue="8")


@pytest.mark.fault("A20-8")
def test_the_person_behind_a_form_can_be_blocked(site: Site) -> None:
    """Not the form alone, whose block would be everybody's."""
    number = in_redmine(site)
    set_ = {"address": "spammer@evil.example", "name": '"><script>alert(1)</script>'}
    site.sign_in()
    post(site, "/messages/requester", id=number, **set_)
    page = site.browser.get(f"/messages/{number}").text
    assert "<option>spammer@evil.example</option>" in page
    assert '<option value="evil.example">' in page
    assert "<option>s@example.net</option>" in page
    assert "<script>alert" not in page


@pytest.mark.fault("A20-9")
def test_a_stranger_moves_nothing(site: Site) -> None:
    """Without a session, or from another site, neither the place nor the requester of a message changes."""
    number = in_redmine(site)

    def tries() -> None:
        post(site, "/messages/decide", id=number, decision="file", issue="8")
        post(site, "/messages/requester", id=number, address="eve@evil.example")
        store = site.desk.store
        (row,) = MessageQueries(store.database).messages(MessageFilter(ids=[number]))
        assert (State.DONE, 7, None) == (row.state, row.issue, row.requester)

    tries()
    site.sign_in()
    site.browser.headers["Sec-Fetch-Site"] = "cross-site"
    tries()
    site.browser.post("/senders/decide", data={"sender": "kim@example.com", "decision": "block"})
    assert () == SenderList(site.desk.store.database, site.desk.store.clock).all()


@pytest.mark.fault("A20-15")
@pytest.mark.parametrize("given", [{"decision": "file", "issue": "8"}, {"decision": "import"}, {"decision": "new"}])
def test_a_mail_that_is_being_written_is_not_moved(site: Site, given: dict[str, str]) -> None:
    """What is on its way is what was decided before: nobody is told otherwise, and no undo takes it back later."""
    row, store = site.keep(mail("Printer"), sender="s@example.net", subject="Printer", uid="1"), site.desk.store
    store.record_intent(row.id, WriteIntent(IssueRequest(1, {"subject": "Printer"}), "made").to_json())
    site.sign_in()
    page = site.browser.get(f"/messages/{row.id}").text
    assert "Add to this issue" not in page
    assert "it is being written to Redmine" in post(site, "/messages/decide", id=row.id, **given)
    assert not store.retry(row.id, manual_decision='{"who": "anna", "issue": 8}', by="anna")
    (after,) = MessageQueries(store.database).messages(MessageFilter(ids=[row.id]))
    assert (State.WRITE_PENDING, None) == (after.state, after.manual_decision)
    assert None is store.manual_changes.last(row.id)
