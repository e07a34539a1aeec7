"""Making a user whom somebody else has made meanwhile."""

import json
from collections.abc import Iterator

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.model.facts import FactRequest
from redmine_mailbridge.model.plan import NewUser
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.users import Users
from tests.unit.redmine.tiny import Seen, answer, serve

NEW = NewUser("nora@elsewhere.example", "Nora", "Neu", "nora@elsewhere.example")
ADMIN = {"user": {"id": 1, "login": "admin", "admin": True, "status": 1}}
NORA = {"id": 9, "login": "nora", "mail": NEW.mail, "firstname": "Nora", "lastname": "Neu", "status": 1}


class Redmine:
    """Refuses, or takes and hangs up on, each new user. `there`: has Nora a user by now?"""

    def __init__(self) -> None:
        self.there = False
        self.hangs_up = False

    def __call__(self, seen: Seen) -> bytes | None:
        if seen.path == "/users/current.json":
            return answer(json.dumps(ADMIN))
        if seen.path == "/users/9.json":
            return answer(json.dumps({"user": NORA}))
        if seen.method == "GET":
            users = [NORA] if self.there else []
            return answer(json.dumps({"users": users, "total_count": len(users)}))
        if self.hangs_up:
            self.there = True
            return None
        return answer(json.dumps({"errors": ["Email has already been taken"]}), "422 Unprocessable Entity")


@pytest.fixture
def redmine() -> Iterator[tuple[Redmine, Users]]:
    script = Redmine()
    with serve(script) as tiny:
        client = Client(Connection(tiny.url, "key"))
        yield script, Users(client)
        client.close()


def test_the_owner_of_the_address_is_taken(redmine: tuple[Redmine, Users]) -> None:
    """Where two mails of a new sender make a user at once, the second takes the first one's."""
    script, people = redmine
    assert people.by_address(NEW.mail) is None
    script.there = True
    assert 9 == people.create(NEW).id


@pytest.mark.fault("A16-3")
def test_a_login_that_another_sender_got_meanwhile_gets_the_next_number() -> None:
    """Mails of several new senders who are called alike come at once: whose login is taken when it is made gets the
    next free one, and no mail is refused for it.
    """
    taken = {"info": 20, "info-2": 21}

    def redmine(seen: Seen) -> bytes | None:
        users = {number: {"id": number, "login": login, "status": 1} for login, number in taken.items()}
        if seen.path == "/users/current.json":
            return answer(json.dumps(ADMIN))
        if seen.method == "GET" and seen.path != "/users.json":
            return answer(json.dumps({"user": users[int(seen.path.removeprefix("/users/").removesuffix(".json"))]}))
        if seen.method == "GET":
            return answer(json.dumps({"users": [*users.values()], "total_count": len(users)}))
        new = json.loads(seen.body)["user"]
        if new["login"] in taken:
            return answer(json.dumps({"errors": ["Login has already been taken"]}), "422 Unprocessable Entity")
        return answer(json.dumps({"user": {"id": 22, **new}}), "201 Created")

    with serve(redmine) as tiny:
        client = Client(Connection(tiny.url, "key"))
        made = Users(client).create(NewUser("info", "In", "Fo", "info@third.example"))
        client.close()
    assert (22, "info-3") == (made.id, made.login)


def test_another_refusal_stays_one(redmine: tuple[Redmine, Users]) -> None:
    """A user that is refused although nobody owns the address is refused."""
    _script, people = redmine
    with pytest.raises(RedmineRefused):
        people.create(NEW)


@pytest.mark.parametrize("listed", [True, False])
def test_an_address_of_somebody_whom_redmine_does_not_tell(*, listed: bool) -> None:
    """Where Redmine takes no user of an address by which it lists somebody of another one, the address is taken, and
    the next decision knows it; where it lists nobody, the refusal is about something else.
    """

    def redmine(seen: Seen) -> bytes:
        if seen.path == "/users/current.json":
            return answer(json.dumps(ADMIN))
        if seen.method == "GET":  # as before 5.1: a filter by address is ignored
            users = [{"id": 5, "login": "anna", "mail": "anna@corp.example", "status": 1}] if listed else []
            return answer(json.dumps({"users": users, "total_count": len(users)}))
        return answer(json.dumps({"errors": ["E-Mail ist bereits vergeben"]}), "422 Unprocessable Entity")

    with serve(redmine) as tiny:
        client = Client(Connection(tiny.url, "key"))
        directory = MetadataCache(client)
        people, finder = directory.people, FactFinder(client, directory)
        assert (None, False) == (people.by_address(NEW.mail), people.is_taken(NEW.mail))
        with pytest.raises(RedmineRefused):
            people.create(NEW)
        directory.people.forget()
        assert listed == people.is_taken(NEW.mail.upper())
        assert ({NEW.mail} if listed else set()) == people_taken(finder)
        client.close()
    assert ["/users.json"] == [one.path for one in tiny.seen if one.method != "GET"]


def people_taken(finder: FactFinder) -> frozenset[str]:
    """What the decision about a mail of Nora knows."""
    return finder.gather(FactRequest(NEW.mail)).taken_addresses


def test_a_lost_answer_is_not_believed_to_be_nothing(redmine: tuple[Redmine, Users]) -> None:
    """After a request for a user whose answer was lost, the address is asked for anew."""
    script, people = redmine
    assert people.by_address(NEW.mail) is None
    script.hangs_up = True
    with pytest.raises(RedmineUnclear):
        people.create(NEW)
    found = people.by_address(NEW.mail)
    assert found is not None
    assert 9 == found.id
