"""Hostile mails against a real Redmine with private projects: none acts as somebody, none reaches what it may not."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.wiring.planner import contexts
from tests.hostile import Target, hostile_mails
from tests.product import Product, box_values, product
from tests.servers.api import Api, fresh_project
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.newest]

USERS = {
    "anna@corp.example": ("Anna", {}),
    "admin@corp.example": ("Root", {"admin": True}),
    "lena@corp.example": ("Lena", {"status": 3}),
    "kim@client.example": ("Kim", {}),
}


HOME = "support@corp.example"
INSIDE = {"trust": "any", "allow_override": "all", "keywords_from": "anyone", "signed_references": "anyone"}
GENUINE = """Authentication-Results: mx.corp.example; dmarc=pass header.from=client.example
Received: from mail.client.example by mx.corp.example; Wed, 20 May 2026 09:00:00 +0000
From: Kim Client <kim@client.example>
To: support@corp.example
Subject: {subject}
Message-ID: <{subject}-{serial}@client.example>

Genuine.
"""


@dataclass(frozen=True, slots=True)
class World:
    """What the mails aim at: the users that they want to be, the issues that they want to reach."""

    users: frozenset[int]
    target: Target
    secret: str
    home: str


def user(admin: Api, address: str, name: str, more: dict[str, Any]) -> int:
    """Make a user with this address, or take the one that has it."""
    in_any_status = {"f[]": "name", "op[name]": "~", "v[name][]": address, "name": address, "status": ""}
    found = [u for u in admin.get("/users.json", **in_any_status)["users"] if u["mail"] == address]
    if found:
        return int(found[0]["id"])
    login = f"{address.partition('@')[0]}-{uuid.uuid4().hex[:6]}"
    values = {"login": login, "firstname": name, "lastname": "Corp", "mail": address, "generate_password": True, **more}
    return int(admin.call("POST", "/users.json", {"user": values})["user"]["id"])


@pytest.fixture(params=[True, False], ids=["public project", "private project"])
def home(redmine: Redmine, request: pytest.FixtureRequest) -> str:
    """The help desk's own project."""
    return redmine.fresh_project(public=request.param)


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, home: str) -> Product:
    """The bridge as the world aims at it: corp.example's help desk, with every keyword line allowed."""
    made = product(tmp_path, redmine, mailbox, home)
    made.support(address=HOME, username=mailbox.address)
    made.support(reading={"trusted_authserv_ids": ["mx.corp.example", "*", "mx.google.com"]})
    made.issue(trust="authenticated", allow_override="all", closed_reply="reopen")
    # one request at a time: several make Redmine's SQLite lock now and then, and whole mails wait for their next try
    made.change({"redmine": {"max_parallel": 1}})
    return made


@pytest.fixture
def world(redmine: Redmine, bridge: Product, mailbox: Mailbox, home: str) -> World:
    """Users, a private project, and issues of all three kinds, each made by a genuine mail of a customer."""
    admin = redmine.admin
    users = frozenset(user(admin, address, name, more) for address, (name, more) in USERS.items())
    secret = fresh_project(admin, redmine.seed, public=False)

    def made(subject: str, **settings: Any) -> int:
        bridge.issue(check_permissions=False, **settings)
        mailbox.append(GENUINE.format(subject=subject, serial=uuid.uuid4().hex).encode())
        (outcome,) = bridge.receive()
        assert outcome.issue is not None, outcome.line
        return outcome.issue

    hidden = made("Secret", project=secret)
    private, public = made("Private", project=home, private=True), made("Public", private=False)
    bridge.issue(check_permissions=True)
    stamp = admin.issue(hidden)["created_on"].translate({ord(sign): None for sign in "-T:Z"})
    with bridge.application() as running:
        signer = contexts(bridge.settings(), running.store.secret)["support"].identity.signer
    assert signer is not None
    signed = signer.message_id("answer", private, "5", "corp.example")
    target = Target(public, private, hidden, signed, f"redmine.issue-{hidden}.{stamp}.5@corp.example")
    return World(users, target, secret, home)


@pytest.mark.fault("V1", "V2", "V3", "V6", "V17")
@pytest.mark.parametrize("key", ["admin", "bridge"])
def test_nobody_is_impersonated_and_nothing_is_reached(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, world: World, key: str
) -> None:
    """With eighty hostile mails and more, no issue or note bears a user's name, what is private stays as it was, and
    nothing that is made tells of it."""
    login = f"inside-{mailbox.address}"
    inside = box_values(Mailbox(mailbox.server, login), world.home) | {"address": "inside@corp.example"}
    inside["username"], inside["issue"] = login, inside["issue"] | INSIDE
    bridge.change({"redmine": {"api_key": redmine.seed["users"][key]["api_key"]}, "mailboxes": {"inside": inside}})
    before = {number: redmine.admin.issue(number) for number in (world.target.private, world.target.secret)}
    envelopes, others = [], []
    for name, raw in hostile_mails(world.target):
        (envelopes if name.startswith("an envelope") else others).append(raw)
    mails = others + envelopes[::5]  # all of them against the policy alone, in tests/unit/policy/test_spoofing.py
    mailbox.append(*mails)
    outcomes = bridge.receive()

    assert len(mails) == len(outcomes) >= 80
    made = [redmine.admin.issue(number) for number in {outcome.issue for outcome in outcomes if outcome.issue}]
    ours = [one for one in made if one["id"] not in {world.target.public, world.target.private, world.target.secret}]
    writers = {one["author"]["id"] for one in ours}
    writers |= {journal["user"]["id"] for one in made for journal in one["journals"]}
    assert frozenset() == writers & world.users
    project = redmine.admin.issue(world.target.public)["project"]["id"]
    assert ({"New"}, {project}) == ({o["status"]["name"] for o in ours}, {o["project"]["id"] for o in ours})
    assert before == {number: redmine.admin.issue(number) for number in before}
    assert [world.target.secret] == [one["id"] for one in redmine.admin.issues(world.secret)]
    told = {end for one in made for link in one.get("relations", ()) for end in (link["issue_id"], link["issue_to_id"])}
    assert set() == told & before.keys()
    assert {"New"} == {redmine.admin.issue(world.target.public)["status"]["name"]}
