"""What the bridge learns from a real Redmine: projects, people by any address, facts, and who it really is."""

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable
from redmine_mailbridge.model.facts import FactRequest, Facts
from redmine_mailbridge.model.plan import NewUser
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import MetadataCache
from tests.servers.fixtures import Redmine

pytestmark = pytest.mark.real


@pytest.fixture
def client(redmine: Redmine) -> Client:
    return Client(Connection(redmine.url, redmine.seed["admin"]["api_key"]))


@pytest.fixture
def poor(redmine: Redmine) -> Client:
    """A client whose key has no admin rights."""
    return Client(Connection(redmine.url, redmine.seed["bridge"]["api_key"]))


def asked(client: Client, ask: Callable[[], object]) -> int:
    """How many requests it takes."""
    before = client.requests
    ask()
    return client.requests - before


def extra_address(redmine: Redmine, login: str, address: str) -> None:
    """Give a user a further address, which no API can: straight into the database."""
    path = Path(redmine.state["dir"]) / "redmine" / "redmine.sqlite3"
    if not path.exists():
        pytest.skip("needs an instance on SQLite")
    with closing(sqlite3.connect(path, timeout=20)) as database, database:
        database.execute(
            "INSERT INTO email_addresses (user_id, address, is_default, notify, created_on, updated_on)"
            " VALUES (?, ?, 0, 1, datetime('now'), datetime('now'))",
            (redmine.seed["users"][login]["id"], address),
        )
    stat = path.stat()
    for left in path.parent.glob("redmine.sqlite3-*"):
        os.chown(left, stat.st_uid, stat.st_gid)


# ---------------------------------------------------------------------------------------------- identities


def test_never_the_wrong_user(redmine: Redmine) -> None:
    """Eight threads with 40 requests each, every one as another of four users: none is answered as the wrong one."""
    logins = ["anna", "bob", "carol", None]
    expected = {login: redmine.seed["users"][login or "admin"]["id"] for login in logins}
    client = Client(Connection(redmine.url, redmine.seed["admin"]["api_key"], max_parallel=8))
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(40):
            login = logins[(number + turn) % len(logins)]
            found = client.get("/users/current.json", as_login=login)["user"]["id"]
            if found != expected[login]:
                wrong.append((login, found))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    assert ([], 320) == (wrong, client.requests)


def test_wrong_key(redmine: Redmine) -> None:
    """A wrong key is an outage to be mended, told as such, although a public Redmine answers lists all the same."""
    client = Client(Connection(redmine.url, "0" * 40))
    with pytest.raises(RedmineUnavailable, match="does not accept the API key"):
        client.whoami()
    with pytest.raises(RedmineUnavailable, match="does not accept the API key"):
        client.get("/issues/99999999.json")


def test_missing_object(client: Client) -> None:
    """What does not exist is a refusal for this one object."""
    with pytest.raises(RedmineRefused) as refused:
        client.get("/issues/99999999.json")
    assert 404 == refused.value.status


# ---------------------------------------------------------------------------------------------- people


@pytest.mark.parametrize(
    ("address", "login", "status"),
    [("carol@example.org", "carol", "active"), ("Carol@Example.ORG", "carol", "active"),
     ("dave@example.com", "dave", "locked")],
)  # fmt: skip
def test_people(client: Client, address: str, login: str, status: str) -> None:
    """A user is found by the address in any case, locked ones too; the second time nobody is asked."""
    people = MetadataCache(client).people
    user = people.by_address(address)
    assert user is not None
    assert (login, status) == (user.login, user.status)
    assert 0 == asked(client, lambda: people.by_address(address.upper()))


@pytest.mark.parametrize("address", ["arol@example.org", "carol@example.or", "example.org", "Customer", "", "%@%", "_"])
def test_part_of_an_address(client: Client, address: str) -> None:
    """Redmine finds users by parts of their names and addresses; only a whole address is theirs."""
    assert None is MetadataCache(client).people.by_address(address)


def test_further_addresses(redmine: Redmine, client: Client) -> None:
    """From 5.1 on a user is found by a further address, which the API shows nowhere, and nobody by a part of it.
    Before, nobody is found; that it is taken is known when no user can be made of it.
    """
    local = f"x{uuid.uuid4().hex[:8]}"
    extra_address(redmine, "anna", f"{local}@Example.net")
    people = MetadataCache(client).people
    found = people.by_address(f"{local}@example.net")
    assert None is people.by_address(f"{local[1:]}@example.net")
    assert None is people.by_address(f"{local}@example.ne")
    if found is not None:
        assert (True, "anna") == (people.is_5_1(), found.login)
        return
    assert (False, False) == (people.is_5_1(), people.is_taken(f"{local}@example.net"))
    with pytest.raises(RedmineRefused):
        people.create(NewUser(local, "Nora", "", f"{local}@example.net"))
    assert people.is_taken(f"{local}@EXAMPLE.net")


def test_new_user(client: Client) -> None:
    """A user is made as planned, known at once, and put once into a group that is made."""
    name = f"n{uuid.uuid4().hex[:8]}"
    directory = MetadataCache(client)
    people, groups = directory.people, Groups(client, directory)
    assert None is people.by_address(f"{name}@example.org")
    user = people.create(NewUser(name, "Nora", "", f"{name}@example.org", status="locked"))
    assert (user, "locked", "Nora -") == (people.by_address(f"{name}@example.org"), user.status, user.name)
    said = [groups.join(user.id, [f"Group {name}", f"group {name.upper()}"]) for _ in range(2)]
    group = groups.group(f"Group {name}")
    assert [[f'joins the group "Group {name}"'], []] == said
    person = people.by_id(user.id)
    assert person is not None
    assert frozenset({group}) == person.rights.groups


# ---------------------------------------------------------------------------------------------- projects and facts


@pytest.mark.parametrize("name", ["support", "Support", "SUPPORT", "1"])
def test_project(redmine: Redmine, client: Client, name: str) -> None:
    """A project is found by identifier, name or id, with everything that its issues may hold."""
    seed = redmine.seed
    found = MetadataCache(client).project(name)
    assert found is not None
    lower = {key: {n.lower(): i for n, i in seed[key].items()} for key in ("trackers", "custom_fields")}
    assert (lower["trackers"], lower["custom_fields"]) == (found.trackers, found.custom_fields)
    assert {n.lower(): i for n, i in seed["projects"]["support"]["categories"].items()} == found.categories
    assert {n.lower(): i for n, i in seed["projects"]["support"]["versions"].items()} == found.versions
    assert [seed["users"]["anna"]["id"]] * 3 == [found.members[n] for n in ("anna", "anna agent", "anna@example.com")]


def test_project_of_a_key_without_admin_rights(redmine: Redmine, poor: Client) -> None:
    """Without admin rights a project is known as well: its custom fields too once it has an issue."""
    redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": "secret", "subject": "the first"}})
    directory = MetadataCache(poor)
    found = directory.project("Secret")
    assert found is not None
    assert (False, False) == (directory.can_impersonate, found.public)
    assert {n.lower(): i for n, i in redmine.seed["custom_fields"].items()} == found.custom_fields
    assert redmine.seed["users"]["anna"]["id"] == found.members["anna"]


def test_closed_and_missing_projects(client: Client) -> None:
    """A closed project is known as such; one that is not there is nothing."""
    directory = MetadataCache(client)
    closed = directory.project("closedproj")
    assert closed is not None
    assert (False, None, None) == (closed.active, directory.project("nope"), directory.project("../users"))


def gathered(client: Client, **needs: Any) -> Facts:
    return FactFinder(client, MetadataCache(client)).gather(FactRequest(**needs))


def test_nothing_is_asked_twice(client: Client) -> None:
    """The facts of a plain new mail from a known sender cost no request once the first such mail was read."""
    finder = FactFinder(client, MetadataCache(client))
    needs = FactRequest(sender="carol@example.org", projects=("support",))
    assert asked(client, lambda: finder.gather(needs)) > 0
    assert 0 == asked(client, lambda: finder.gather(needs))


@pytest.mark.parametrize(
    ("case", "visible"),
    [("support carol", True), ("support carol private", False), ("secret carol", False),
     ("secret anna private", True), ("secret bob", False), ("support dave", False)],
)  # fmt: skip
def test_visible(redmine: Redmine, client: Client, case: str, visible: bool) -> None:
    """Whether the sender may see an issue is what Redmine shows to that user."""
    project, sender, *rest = case.split()
    private = bool(rest)
    values = {"project_id": project, "subject": "seen by whom", "is_private": private}
    number = redmine.admin.call("POST", "/issues.json", {"issue": values})["issue"]["id"]
    facts = gathered(client, sender=redmine.seed["users"][sender]["mail"], issues=(number, 99999999))
    assert [number] == list(facts.issues)
    issue = facts.issues[number]
    assert (visible, visible, private) == (issue.visible_to_sender, issue.noteable_by_sender, issue.private)


def test_facts(redmine: Redmine, client: Client) -> None:
    """The facts hold users by address, projects, who may add issues where, statuses and priorities."""
    facts = gathered(
        client, sender="Bob@example.com", addresses=("anna@example.com", "nobody@example.com"),
        projects=("support", "Secret", "closedproj"),
    )  # fmt: skip
    assert {"bob@example.com", "anna@example.com"} == set(facts.users)
    assert {"support", "secret", "closedproj", "Secret"} == set(facts.projects)
    assert (frozenset({"support"}), True) == (facts.may_add_issues, facts.can_impersonate)
    assert {n.lower(): i for n, i in redmine.seed["statuses"].items()} == facts.statuses
    assert frozenset() == facts.closed_statuses  # of no issue


def test_strangers_see_nothing(redmine: Redmine, client: Client) -> None:
    """Of a sender who is no user nobody says what it may see; which statuses close its issue is known."""
    number = redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": "support", "subject": "x"}})
    facts = gathered(client, sender="eve@example.net", issues=(number["issue"]["id"],))
    (issue,) = facts.issues.values()
    assert (None, None, {}) == (issue.visible_to_sender, issue.noteable_by_sender, facts.users)
    assert {redmine.seed["statuses"]["Closed"], redmine.seed["statuses"]["Rejected"]} == facts.closed_statuses


def test_members_of_a_key_without_admin_rights(poor: Client) -> None:
    """Without admin rights nobody is found who does not show the address, and nothing fails for it."""
    facts = gathered(poor, sender="carol@example.org", projects=("support",))
    assert ({}, False) == (facts.users, facts.can_impersonate)
