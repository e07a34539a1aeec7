"""Replies to issues that continue elsewhere: closed as a duplicate, moved to another project, copied."""

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.product import Product, mail, product
from tests.real.talk import sends_by
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real


class Desk:
    """A bridge that mails every public note; what its customers and agents do is a line each."""

    def __init__(self, bridge: Product, redmine: Redmine, box: Mailbox, project: str, server: Relay) -> None:
        self.bridge, self.redmine, self.box, self.project, self.server = bridge, redmine, box, project, server
        sends_by(bridge, server)
        bridge.support(answers={"received": True, "notes": "public_notes"})
        bridge.issue(trust="authenticated")
        self.turn()

    def turn(self) -> None:
        """Receive, update, send."""
        done = self.bridge.quick("receive", "--once")
        assert 0 == done.exit_code, done.output

    def asks(self, customer: Mailbox, subject: str) -> int:
        """A customer writes anew. Return the issue."""
        raw = mail(subject, "It burns.\n", sender=f"Kim <{customer.address}>", to=self.box.address)
        self.server.deliver(raw, self.box.address, customer.address)
        self.turn()
        (found,) = [one for one in self.redmine.admin.issues(self.project) if one["subject"] == subject]
        number: int = found["id"]
        return number

    def got(self, customer: Mailbox, issue: int) -> list[EmailMessage]:
        """What a customer was sent about an issue."""
        found = [email.message_from_bytes(raw, policy=email.policy.default) for raw in customer.mails()]
        return [one for one in found if f".{issue}." in str(one["Message-ID"])]  # type: ignore[misc]  # policy's class

    def replies(self, customer: Mailbox, issue: int, text: str) -> None:
        """A customer answers the newest mail about an issue."""
        newest = self.got(customer, issue)[-1]
        raw = mail(
            f"Re: {newest['Subject']}", f"{text}\n", sender=f"Kim <{customer.address}>", to=self.box.address,
            In_Reply_To=str(newest["Message-ID"]),
        )  # fmt: skip
        self.server.deliver(raw, self.box.address, customer.address)
        self.turn()

    def closes(self, issue: int, relation: str, other: int) -> None:
        """An agent closes an issue and relates it to another."""
        relation_of = {"relation": {"issue_to_id": other, "relation_type": relation}}
        self.redmine.admin.call("POST", f"/issues/{issue}/relations.json", relation_of)
        self.redmine.admin.call("PUT", f"/issues/{issue}.json", {"issue": {"status_id": 5}})

    def notes(self, issue: int) -> list[tuple[str, bool]]:
        """The notes of an issue, and which are private."""
        journals = self.redmine.admin.issue(issue)["journals"]
        return [(one["notes"], one["private_notes"]) for one in journals if one.get("notes")]

    def answers(self, issue: int, text: str) -> None:
        """An agent writes a note."""
        self.redmine.api("bob").call("PUT", f"/issues/{issue}.json", {"issue": {"notes": text}})
        self.turn()

    def moves(self, issue: int, *, public: bool) -> str:
        """An agent moves an issue to a new project. Return its identifier."""
        other = self.redmine.fresh_project(public=public)
        number = self.redmine.admin.get(f"/projects/{other}.json")["project"]["id"]
        self.redmine.admin.call("PUT", f"/issues/{issue}.json", {"issue": {"project_id": number}})
        return other


@pytest.fixture
def across(redmine: Redmine) -> Iterator[None]:
    """A Redmine that lets issues of several projects be related."""
    before = redmine.admin.settings(cross_project_issue_relations="1")
    yield
    redmine.admin.settings(**before)


@pytest.fixture(params=["admin", "bridge"])
def desk(  # noqa: PLR0917 - fixtures are named, not placed
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redmine: Redmine,
    mailbox: Mailbox,
    project: str,
    server: Relay,
) -> Desk:
    """A desk with the key of an administrator, and with a plain one."""
    return Desk(product(tmp_path, redmine, mailbox, project, login=request.param), redmine, mailbox, project, server)


def test_a_reply_to_a_duplicate_goes_to_the_other(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """A customer who asked twice answers about the issue that was closed as a duplicate: the other gets the note, and
    the conversation goes on there.
    """
    kim = person("kim")
    second, first = desk.asks(kim, "It burns again"), desk.asks(kim, "It burns")
    desk.closes(second, "duplicates", first)
    desk.replies(kim, second, "Now the curtain too.")
    assert [] == desk.notes(second)
    (note,) = desk.notes(first)
    assert ("Now the curtain too." in note[0], False) == (True, note[1])
    assert 5 == desk.redmine.admin.issue(second)["status"]["id"]
    desk.answers(first, "Take the other bucket.")
    assert "Take the other bucket." in desk.got(kim, first)[-1].as_string()
    desk.replies(kim, first, "Out.")
    assert ["Out." in text for text, _ in desk.notes(first)][-1]
    lines = "\n".join(line for row in desk.bridge.quick_json("messages") for line in row["steps"])
    assert f"#{second} is closed and duplicates #{first}: the sender is a participant" in lines


def test_a_duplicate_of_another_customers_issue(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """The other issue is another customer's: the reply stays where it is, and one private note on the other says so,
    without a word of it; nothing of it is mailed to the other customer.
    """
    kim, lee = person("kim"), person("lee")
    second, first = desk.asks(kim, "Mine burns"), desk.asks(lee, "It burns")
    desk.closes(second, "duplicates", first)
    desk.replies(kim, second, "My secret curtain.")
    desk.turn()
    (stayed,) = desk.notes(second)
    assert "My secret curtain." in stayed[0]
    expected = (
        f"A mail answers #{second}, which is closed and continues in this issue. It is a note there, since its sender "
        "may not write to this issue."
    )
    assert [(expected, True)] == desk.notes(first)
    assert not any("answers #" in one.as_string() for one in desk.got(lee, first))
    assert 1 == len(desk.got(lee, first))  # that it was received
    desk.answers(second, "We look at yours too.")
    assert "We look at yours too." in desk.got(kim, second)[-1].as_string()


def test_a_new_issue_of_a_duplicate(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """Where replies to closed issues become new issues, the note on the other names that issue."""
    desk.bridge.issue(closed_reply="new")
    kim, lee = person("kim"), person("lee")
    second, first = desk.asks(kim, "Mine burns"), desk.asks(lee, "It burns")
    desk.closes(second, "duplicates", first)
    desk.replies(kim, second, "My curtain.")
    new = max(one["id"] for one in desk.redmine.admin.issues(desk.project))
    assert max(first, second) < new
    ((text, private),) = desk.notes(first)
    assert (f"It became #{new}, since" in text, private) == (True, True)


@pytest.mark.usefixtures("across")
def test_a_duplicate_in_a_private_project(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """The other issue is in a private project. The reply to our own mail, from the address that it was sent to, goes
    there, where its sender takes part; that address with nothing but the number does not.
    """
    kim = person("kim")
    second, first = desk.asks(kim, "It burns again"), desk.asks(kim, "It burns")
    desk.moves(first, public=False)
    desk.closes(second, "duplicates", first)
    forged = mail(f"[#{second}] Hello", "From a forger.\n", sender=kim.address, to=desk.box.address)
    desk.server.deliver(forged, desk.box.address, kim.address)
    desk.turn()
    assert ["From a forger." in text for text, _ in desk.notes(second)] == [True]
    desk.replies(kim, second, "Now the curtain too.")
    texts = [(text, private) for text, private in desk.notes(first) if "curtain" in text]
    assert [False] == [private for _, private in texts]
    assert 1 == len(desk.notes(second))


def test_a_moved_issue(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """An issue that was moved to another project, a private one too, keeps its conversation: replies are its notes."""
    kim = person("kim")
    issue = desk.asks(kim, "It burns")
    for public in (True, False):
        desk.moves(issue, public=public)
        desk.bridge.support(answers={"private_projects": True})
        desk.answers(issue, f"We moved it, {public}.")
        assert f"We moved it, {public}." in desk.got(kim, issue)[-1].as_string()
        desk.replies(kim, issue, f"I followed, {public}.")
        assert f"I followed, {public}." in desk.notes(issue)[-1][0]
    assert [] == desk.redmine.admin.issues(desk.project)


@pytest.mark.usefixtures("across")
def test_a_copied_issue(desk: Desk, person: Callable[[str], Mailbox]) -> None:
    """An issue is copied to another project and closed. Its customer's replies go to the copy where the settings follow
    copies; by default they stay.
    """
    kim = person("kim")
    issue = desk.asks(kim, "It burns")
    other = desk.redmine.fresh_project()
    copy = desk.redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": other, "subject": "It burns"}})
    number = copy["issue"]["id"]
    desk.closes(issue, "copied_to", number)
    desk.replies(kim, issue, "One.")
    assert ([], 1) == (desk.notes(number), len(desk.notes(issue)))
    desk.bridge.issue(follow_closed=["duplicates", "copied_to"])
    desk.replies(kim, issue, "Two.")
    assert ["Two." in text for text, _ in desk.notes(number)] == [True]
    assert 1 == len(desk.notes(issue))
