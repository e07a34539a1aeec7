"""Hostile mails against a real Redmine with private projects: none acts as somebody, none reaches what it may not."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import Target, hostile_mails
from tests.product import Product, product
from tests.servers.api import Api, fresh_project
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real

USERS = {
    "anna@corp.example": ("Anna", {}),
    "admin@corp.example": ("Root", {"admin": True}),
    "lena@corp.example": ("Lena", {"status": 3}),
    "kim@client.example": ("Kim", {}),
}


@dataclass(frozen=True, slots=True)
class World:
    """What the mails aim at: the users that they want to be, the issues that they want to reach."""

    users: frozenset[int]
    target: Target
    secret: str


def user(admin: Api, address: str, name: str, more: dict[str, Any]) -> int:
    """Make a user with this address, or take the one that has it."""
    in_any_status = {"f[]": "name", "op[name]": "~", "v[name][]": address, "name": address, "status": ""}
    found = [u for u in admin.get("/users.json", **in_any_status)["users"] if u["mail"] == address]
    if found:
        return int(found[0]["id"])
    login = f"{address.partition('@')[0]}-{uuid.uuid4().hex[:6]}"
    values = {"login": login, "firstname": name, "lastname": "Corp", "mail": address, "generate_password": True, **more}
    return int(admin.call("POST", "/users.json", {"user": values})["user"]["id"])


def issue(admin: Api, project: str, subject: str, *, private: bool = False) -> int:
    """Make an issue."""
    values = {"project_id": project, "subject": subject, "is_private": private, "tracker_id": 1}
    return int(admin.call("POST", "/issues.json", {"issue": values})["issue"]["id"])


@pytest.fixture
def world(redmine: Redmine, project: str) -> World:
    """Users, a private project, and issues of all three kinds."""
    admin = redmine.admin
    users = frozenset(user(admin, address, name, more) for address, (name, more) in USERS.items())
    secret = fresh_project(admin, redmine.seed, public=False)
    target = Target(
        public=issue(admin, project, "Public"),
        private=issue(admin, project, "Private", private=True),
        secret=issue(admin, secret, "Secret"),
    )
    return World(users, target, secret)


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge as the world aims at it: corp.example's help desk, with every keyword line allowed."""
    made = product(tmp_path, redmine, mailbox, project)
    made.support(address="support@corp.example", username=mailbox.address)
    made.support(reading={"trusted_authserv_ids": ["mx.corp.example"]})
    made.issue(trust="authenticated", allow_override="all", closed_reply="reopen")
    return made


@pytest.mark.parametrize("key", ["admin", "bridge"])
def test_nobody_is_impersonated_and_nothing_is_reached(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, world: World, key: str
) -> None:
    """With 40 hostile mails and more, no issue or note bears a user's name, and what is private stays as it was."""
    # one request at a time: several make Redmine's SQLite lock now and then, and whole mails wait for their next try
    bridge.change({"redmine": {"api_key": redmine.seed["users"][key]["api_key"], "max_parallel": 1}})
    mails = list(hostile_mails(world.target))
    mailbox.append(*(raw for _, raw in mails))
    outcomes = bridge.receive()

    assert len(mails) == len(outcomes) >= 40
    made = [redmine.admin.issue(number) for number in {outcome.issue for outcome in outcomes if outcome.issue}]
    ours = [one for one in made if one["id"] not in {world.target.public, world.target.private, world.target.secret}]
    writers = {one["author"]["id"] for one in ours}
    writers |= {journal["user"]["id"] for one in made for journal in one["journals"]}
    assert frozenset() == writers & world.users
    home = redmine.admin.issue(world.target.public)["project"]["id"]
    assert ({"New"}, {home}) == ({o["status"]["name"] for o in ours}, {o["project"]["id"] for o in ours})
    for number in (world.target.private, world.target.secret):
        assert [] == redmine.admin.issue(number)["journals"]
    assert 1 == len(redmine.admin.issues(world.secret))
