"""The page of senders: blocked and allowed by hand, from there and from a message."""

from redmine_mailbridge.store.sender_list import SenderList
from tests.product import mail
from tests.unit.web.site import Site


def entries(site: Site) -> list[tuple[str, str, str]]:
    store = site.desk.store
    return [(one.pattern, one.listing.value, one.who) for one in SenderList(store.database, store.clock).all()]


def decide(site: Site, sender: str, decision: str) -> str:
    given = {"sender": sender, "decision": decision, "back": "/senders"}
    return site.browser.post("/senders/decide", data=given, follow_redirects=True).text


def test_block_allow_remove(site: Site) -> None:
    """Each is one click, stored with who made it, shown, recorded, and can be undone."""
    site.sign_in()
    assert "is blocked from now on" in decide(site, "Spam@Example.com", "block")
    ((pattern, listing, who),) = entries(site)
    assert ("spam@example.com", "block") == (pattern, listing)
    page = site.browser.get("/senders").text
    assert pattern in page
    assert who in page
    assert "block sender" in site.browser.get("/changes").text
    assert "is allowed from now on" in decide(site, "spam@example.com", "allow")
    assert [("spam@example.com", "allow", who)] == entries(site)
    assert "is no longer listed" in decide(site, "spam@example.com", "remove")
    assert [] == entries(site)


def test_what_is_typed_wrongly_changes_nothing(site: Site) -> None:
    """Nothing, an unknown decision, a suffix, markup: the list stays empty, and the page stays whole."""
    site.sign_in()
    assert "Enter an address" in decide(site, "", "block")
    decide(site, "kim@example.com", "praise")
    assert "nor a domain that somebody owns" in decide(site, "co.uk", "block")
    said = decide(site, "<script>alert(1)</script>", "block")
    assert "<script>alert" not in said
    assert "&lt;script&gt;alert" in said
    assert [] == entries(site)


def test_from_the_page_of_a_message(site: Site) -> None:
    """The sender and the domain are offered where the mail is looked at."""
    row = site.keep(mail("Buy"), sender="s@spam.example", subject="Buy", uid="1")
    site.sign_in()
    page = site.browser.get(f"/messages/{row.id}").text
    assert "everyone at spam.example" in page
    assert 'action="/senders/decide"' in page


def test_a_stranger_changes_nothing(site: Site) -> None:
    """Without a session the list is neither shown nor changed."""
    decide(site, "kim@example.com", "block")
    assert [] == entries(site)
    assert "kim@example.com" not in site.browser.get("/senders", follow_redirects=True).text
