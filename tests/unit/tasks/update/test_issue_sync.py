"""The copy of Redmine's issues: complete, and with few requests, whatever moves in Redmine meanwhile."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow, JournalRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.update.issue_list import IssueList
from redmine_mailbridge.tasks.update.issue_reader import seconds
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from tests.unit.redmine.tiny import Seen, Tiny, answer, serve

OVERLAP = 300.0
"""Seconds for which the list reaches back."""
START = datetime(2026, 5, 20, 10, 0, tzinfo=UTC).timestamp()
KIM, ANNA, BRIDGE = "kim@client.example", {"id": 9, "name": "Anna Agent"}, {"id": 3, "name": "Mail Bridge"}
STATUSES = [{"id": 1, "name": "New", "is_closed": False}, {"id": 5, "name": "Closed", "is_closed": True}]


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class World:
    """A Redmine of issues and journals, a store, and a clock for both, Redmine's `behind` by so many seconds."""

    store: Store
    now: float = START
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    behind: float = 0.0
    fractions: bool = True
    """Whether the database has fractions of seconds. Redmine shows none."""
    order: dict[int, int] = field(default_factory=dict)
    """The order of the issues' last changes."""

    @property
    def there(self) -> str:
        """The time by Redmine's clock."""
        return iso(self.now - self.behind)

    def change(self, number: int, user: dict[str, Any] = ANNA, notes: str = "", **values: Any) -> int:
        """Somebody changes an issue. Return the journal's id."""
        issue = self.issues[number]
        journal = 1 + sum(len(one["journals"]) for one in self.issues.values())
        details = []
        if "status" in values:
            wanted = values.pop("status")
            status = next(one for one in STATUSES if one["name"] == wanted)
            old, issue["status"] = issue["status"]["id"], status
            details = [{"property": "attr", "name": "status_id", "old_value": str(old), "new_value": str(status["id"])}]
        issue |= values | {"updated_on": self.there}
        self.order[number] = 1 + max(self.order.values(), default=0)
        issue["journals"].insert(
            0, {"id": journal, "user": user, "notes": notes, "created_on": self.there, "details": details}
        )
        return journal

    def add(self, number: int) -> None:
        """An issue that did not come by mail."""
        self.order[number] = 1 + max(self.order.values(), default=0)
        self.issues[number] = {
            "id": number, "project": {"id": 7, "name": "Desk"}, "tracker": {"id": 1, "name": "Bug"},
            "status": STATUSES[0], "priority": {"id": 4, "name": "Normal"}, "author": BRIDGE, "subject": f"No {number}",
            "is_private": False, "created_on": iso(self.now), "updated_on": iso(self.now), "closed_on": None,
            "journals": [],
        }  # fmt: skip

    def by_mail(self, number: int) -> int:
        """An issue that came by mail. Return the mail's number."""
        if number not in self.issues:
            self.add(number)
        content = f"mail {number}".encode()
        (row,) = self.store.add([RawMail(Listed(Location("support", "INBOX", "1", str(number)), 9), content)])
        self.store.describe([Description(row.id, f"{number}@x.example", f"key {number}", KIM, "Help")])
        self.store.done(row.id, "made", issue=number, created=True)
        return row.id

    def note_by_mail(self, number: int, journal: int, sender: str, uid: int, *, machine: bool = False) -> None:
        """The store learns that a mail has made a note."""
        (row,) = self.store.add([RawMail(Listed(Location("support", "INBOX", "1", str(uid)), 9), b"%d" % uid)])
        self.store.describe([Description(row.id, f"{uid}@x.example", f"key {uid}", sender, "Re: Help")])
        self.store.record_intent(
            row.id, WriteIntent(NoteRequest(number, 7, {"notes": "x"}), "x", machine=machine).to_json()
        )
        self.store.done(row.id, "noted", issue=number, journal=journal)

    def serve(self, seen: Seen) -> bytes:  # noqa: PLR0911 - a list of addresses
        """Answer one request."""
        self.asked.append(seen.path)
        if self.down:
            return answer("", "500 Internal Server Error")
        query = parse_qs(urlsplit(seen.target).query)
        match seen.path.removesuffix(".json").strip("/").split("/"):
            case ["issues"] if seen.method == "POST":
                self.add(number := max(self.issues, default=0) + 1)
                shown = {name: value for name, value in self.issues[number].items() if name != "journals"}
                return answer(json.dumps({"issue": shown}), "201 Created")
            case ["issues"]:
                return self.page(query)
            case ["issues", _, "watchers"] | ["issues", _] if seen.method != "GET":
                return answer("", "204 No Content")
            case ["issues", number]:
                if int(number) in self.broken:
                    return answer("", "500 Internal Server Error")
                found = self.issues.get(int(number))
                return answer(json.dumps({"issue": found})) if found else answer("", "404 Not Found")
            case ["users", "current"]:
                user = {"id": 3, "login": "bridge", "firstname": "Mail", "lastname": "Bridge", "admin": True}
                return answer(json.dumps({"user": user}))
            case ["users", number]:
                user = {"id": int(number), "login": "anna", "firstname": "Anna", "lastname": "A", "mail": "a@x.example"}
                return answer(json.dumps({"user": user}))
            case ["projects", number]:
                project = {"id": int(number), "identifier": "desk", "name": "Desk", "is_public": True}
                return answer(json.dumps({"project": project}))
            case ["issue_statuses"]:
                return answer(json.dumps({"issue_statuses": STATUSES}))
            case other:
                raise AssertionError(other)

    def page(self, query: dict[str, list[str]]) -> bytes:
        """The list of issues, as far as the mirror asks it. With fractions, `>=` is "more than a second before"."""
        assert ["*"] == query["op[status_id]"]
        order = self.order if self.fractions else {}
        rows = sorted(self.issues.values(), key=lambda one: (one["updated_on"], order.get(one["id"], 0), one["id"]))
        if "v[updated_on][]" in query:
            assert [">="] == query["op[updated_on]"]
            since = iso(seconds(query["v[updated_on][]"][0]) - self.fractions)
            rows = [one for one in rows if one["updated_on"] >= since]
        if "v[issue_id][]" in query:
            rows = [one for one in rows if str(one["id"]) in query["v[issue_id][]"][0].split(",")]
        if "op[notes]" in query:
            rows = [one for one in rows if any(each["notes"] for each in one["journals"])]
        if query.get("sort") == ["updated_on:desc"]:
            rows.reverse()
        offset, limit = int(query.get("offset", ["0"])[0]), int(query["limit"][0])
        page = rows[offset : offset + limit]
        shown = [{name: value for name, value in one.items() if name != "journals"} for one in page]
        return answer(json.dumps({"issues": shown, "total_count": len(rows)}))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw"))
    yield made
    made.store.close()


@pytest.fixture
def tiny(world: World) -> Iterator[Tiny]:
    with serve(world.serve) as tiny:
        yield tiny


@pytest.fixture
def issues(world: World) -> IssueCopy:
    return IssueCopy(world.store.database, lambda: world.now)


@pytest.fixture
def mirror(world: World, tiny: Tiny, issues: IssueCopy) -> IssueSync:
    client = Client(Connection(tiny.url, "key"))
    return IssueSync(issues, client, MetadataCache(client))


def requests(world: World, mirror: IssueSync) -> int:
    before = len(world.asked)
    mirror.refresh()
    return len(world.asked) - before


def row(issues: IssueCopy, number: int) -> IssueRow:
    found = issues.get(number)
    assert found is not None
    return found


def test_what_the_copy_holds(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that came by mail and its history stand in the copy, statuses by name, in the order of writing."""
    mail_id = world.by_mail(1)
    world.now += 60
    world.change(1, notes="We look at it")
    world.change(1, status="Closed", closed_on=iso(world.now))
    mirror.refresh()
    found = row(issues, 1)
    assert (mail_id, "support", KIM, "client.example") == (
        found.mail_id, found.mailbox, found.requester, found.domain,
    )  # fmt: skip
    assert ("desk", "Desk", True, "Closed", True) == (
        found.project, found.project_name, found.project_public, found.status, found.closed,
    )  # fmt: skip
    assert (START, START + 60, START + 60) == (found.created_on, found.updated_on, found.closed_on)
    assert [
        JournalRow(1, 1, START + 60, 9, "Anna Agent", "agent", True, False),
        JournalRow(2, 1, START + 60, 9, "Anna Agent", "agent", False, False, "New", "Closed"),
    ] == issues.journals([1])


def test_nothing_changed_is_one_request(world: World, mirror: IssueSync) -> None:
    """With 250 issues by mail and nothing changed, a refresh is one request; after one change it is two."""
    for number in range(1, 251):
        world.by_mail(number)
        world.now += 1
    world.now += 3600
    mirror.refresh()
    world.now += OVERLAP + 1
    mirror.refresh()
    assert 1 == requests(world, mirror)
    world.change(17, notes="Hello")
    world.now += 3600
    assert (3, 1) == (requests(world, mirror), requests(world, mirror))  # the list, the issue, its writer


def test_all_anew(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """What the times in Redmine do not tell, as a status named anew, reading all again finds, one request for each."""
    for number in (1, 2):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    right = row(issues, 1)
    issues.save(replace(right, status="Another name"), ())
    world.now += OVERLAP + 1
    assert [] == mirror.refresh().read
    assert [1, 2] == sorted(mirror.refresh(reread_all=True).read)
    assert right.status == row(issues, 1).status


def test_issues_of_others_are_not_read(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """What did not come by mail costs nothing but its line in the list."""
    world.by_mail(1)
    world.now += 3600
    mirror.refresh()
    for number in range(2, 40):
        world.add(number)
    assert 1 == requests(world, mirror)
    assert [1] == [one.id for one in issues.issues(gone=None)]


def test_a_second_change_in_the_same_second(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """What changes after we looked, within the second that `updated_on` tells, is found by the next refresh."""
    world.by_mail(1)
    world.change(1, notes="one")
    mirror.refresh()
    world.change(1, notes="two")  # the same second
    world.now += 10
    mirror.refresh()
    assert [1, 2] == [one.id for one in issues.journals([1])]


def test_a_change_that_shows_late(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """A change whose transaction took minutes, so that newer ones were seen before, is not missed."""
    world.by_mail(1)
    world.by_mail(2)
    world.now += 3600
    mirror.refresh()
    world.change(2, notes="seen first")
    world.now += 60
    mirror.refresh()
    now, world.now = world.now, world.now - 200
    world.change(1, notes="begun before")
    world.now = now + OVERLAP
    mirror.refresh()
    assert 1 == len(issues.journals([1]))


@pytest.mark.parametrize("seconds", [3, 10, 100, 299])
@pytest.mark.parametrize("pause", [20, 60, 299, 300, 1000])
def test_every_change_is_read_however_long_it_took(
    world: World, mirror: IssueSync, issues: IssueCopy, seconds: int, pause: int
) -> None:
    """Changes that take up to five minutes are read five minutes after they became visible, or by the next run after
    that, while newer ones are seen at each run.
    """
    world.by_mail(1)
    world.by_mail(2)
    world.now += 3600
    mirror.refresh()
    late: list[float] = []
    for number in range(1, 1 + 1200 // pause + 3):
        world.now += pause
        if number % 3 == 0:
            now, world.now = world.now, world.now - seconds
            world.change(1, notes="begun before")
            world.now = now
            late.append(now)
        world.change(2, notes="now")
        mirror.refresh()
        assert sum(at + OVERLAP <= world.now for at in late) <= len(issues.journals([1]))
    world.now += OVERLAP
    mirror.refresh()
    assert len(late) == len(issues.journals([1]))


def test_what_is_known_is_not_listed_at_each_run(world: World, mirror: IssueSync) -> None:
    """With changes all the time, ten runs half a minute apart list each once, and few twice: not ten times."""
    for number in range(1, 101):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    listed = 0
    for _ in range(10):
        for number in range(10, 101, 10):
            world.now += 3
            world.change(number, notes="x")
        listed += mirror.refresh().listed
    assert listed <= 3 * 100


def test_the_list_moves_while_it_is_read(
    world: World, mirror: IssueSync, issues: IssueCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issue of the first page that changes while the second is fetched keeps no other from being read."""
    for number in range(1, 181):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    for number in range(1, 181):
        world.now += 1
        world.change(number, notes="all of them")
    whole, pages = world.page, []

    def page(query: dict[str, list[str]]) -> bytes:
        said = whole(query)
        pages.append(query)
        if len(pages) == 1:
            for number in range(1, 60):
                world.change(number, notes="again")
        return said

    monkeypatch.setattr(world, "page", page)
    world.now += 3600
    mirror.refresh()
    world.now += 3600
    mirror.refresh()
    assert {number: 1 + (number < 60) for number in range(1, 181)} == {
        number: len(issues.journals([number])) for number in range(1, 181)
    }


def listings(world: World, monkeypatch: pytest.MonkeyPatch, between: Callable[[], None]) -> list[dict[str, list[str]]]:
    """The queries of the list from now on. `between` is called when its first page has been read."""
    whole, pages = world.page, []

    def page(query: dict[str, list[str]]) -> bytes:
        shown = whole(query)
        pages.append(query)
        if len(pages) == 1:
            between()
        return shown

    monkeypatch.setattr(world, "page", page)
    return pages


def change_all(world: World, each_second: int) -> None:
    """Change all issues, so many per second."""
    for number in sorted(world.issues):
        world.now += (number - 1) % each_second == 0
        world.change(number, notes="all of them")


@pytest.mark.parametrize("fractions", [False, True])
def test_no_second_is_listed_twice(
    world: World, mirror: IssueSync, monkeypatch: pytest.MonkeyPatch, fractions: bool
) -> None:
    """Redmine lists 340 issues that changed at 40 a second in four pages, not in six that repeat a second each; without
    fractions in the database, in one more, once per process.
    """
    world.fractions = fractions
    for number in range(1, 341):
        world.by_mail(number)
    mirror.refresh()
    world.now += 3600
    change_all(world, 40)
    world.now += 3600
    pages = listings(world, monkeypatch, lambda: None)
    assert 340 <= mirror.refresh().listed <= 341
    assert 4 + (not fractions) == len(pages)


@pytest.mark.parametrize("fractions", [False, True])
@pytest.mark.parametrize("moved", [range(51, 52), range(51, 81), range(51, 101), range(100, 101), range(101, 121)])
def test_a_second_moves_while_it_is_read(
    world: World,
    mirror: IssueSync,
    issues: IssueCopy,
    monkeypatch: pytest.MonkeyPatch,
    moved: range,
    *,
    fractions: bool,
) -> None:
    """The issues of the second in which a page ends change before the next page is requested: none is left out."""
    world.fractions = fractions
    for number in range(1, 301):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    change_all(world, 80)

    def again() -> None:
        for number in moved:
            world.change(number, notes="again")

    world.now += 60
    listings(world, monkeypatch, again)
    mirror.refresh()
    assert {number: 1 + (number in moved) for number in world.issues} == {
        number: len(issues.journals([number])) for number in world.issues
    }


def test_a_list_without_order_ends(world: World, mirror: IssueSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that returns each page of one second in another order is asked a number of times that has an end."""
    for number in range(1, 501):
        world.by_mail(number)
    mirror.refresh()
    world.now += 3600
    change_all(world, 500)
    world.now += 3600
    whole, pages = world.page, []

    def page(query: dict[str, list[str]]) -> bytes:
        pages.append(query)
        assert len(pages) < 30
        world.order = {number: number * (-1) ** len(pages) for number in world.issues}
        return whole(query)

    monkeypatch.setattr(world, "page", page)
    mirror.refresh()


@pytest.mark.fault("A24-3")
def test_a_change_after_the_read_within_one_long_run(
    world: World, tiny: Tiny, issues: IssueCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes after it was read, while the pages of one run are read, is read by the next run, not by the next
    sweep minutes later.
    """
    client = Client(Connection(tiny.url, "key"))
    client.note_time(datetime.now(UTC))
    mirror = IssueSync(issues, client, MetadataCache(client))
    for number in range(1, 151):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    world.now += OVERLAP + 1
    mirror.refresh()
    for number in range(1, 151):
        world.now += 0.01
        world.change(number, notes="all of them")
    world.now += 10
    whole, pages = world.page, []

    def page(query: dict[str, list[str]]) -> bytes:
        if "v[updated_on][]" in query:
            pages.append(query)
            if len(pages) == 2:
                world.now += 30
                world.change(1, notes="again")
                world.now += 30
                world.change(150, notes="again")
        return whole(query)

    monkeypatch.setattr(world, "page", page)
    mirror.refresh()
    world.now += 20
    mirror.refresh()
    assert len(pages) < 6
    assert 2 == len(issues.journals([1]))


def test_more_changes_in_one_second_than_a_page_holds(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """A bulk edit that stamps 230 issues with one second is read whole."""
    for number in range(1, 231):
        world.by_mail(number)
    mirror.refresh()
    world.now += 3600
    for number in range(1, 231):
        world.change(number, status="Closed", closed_on=iso(world.now))
    world.now += 3600
    mirror.refresh()
    assert 230 == len(issues.issues(closed=True))


def test_a_deleted_issue_is_gone(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that Redmine does not show is gone, asked for once, and comes back when it is shown again."""
    world.by_mail(1)
    world.by_mail(2)
    kept = world.issues.pop(1)
    mirror.refresh()
    assert ([2], True) == ([one.id for one in issues.issues()], row(issues, 1).gone)
    world.now += 3600
    mirror.refresh()
    assert 1 == requests(world, mirror)
    world.issues[1] = kept
    world.change(1, notes="back")
    mirror.refresh()
    assert [1, 2] == [one.id for one in issues.issues()]


def test_an_issue_that_redmine_fails_on(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """One issue that Redmine cannot show keeps no other waiting, and is read when it can be shown."""
    for number in (1, 2):
        world.by_mail(number)
    world.now += 3600
    mirror.refresh()
    for number in (1, 2):
        world.change(number, notes="x")
    world.broken = {1}
    world.now += 3600
    mirror.refresh()
    assert (0, 1) == (len(issues.journals([1])), len(issues.journals([2])))
    world.broken = set()
    world.now += 3600
    mirror.refresh()
    assert 1 == len(issues.journals([1]))


def test_redmine_away(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """When Redmine fails on everything, the refresh says so, and the next one catches up."""
    for number in range(1, 6):
        world.by_mail(number)
    world.down = True
    with pytest.raises(RedmineUnavailable):
        mirror.refresh()
    world.down = False
    mirror.refresh()
    assert [1, 2, 3, 4, 5] == [one.id for one in issues.issues()]


def test_notes_that_mails_made(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """A note that a mail made bears the mail and its sender's side, also when the store learns of the mail later;
    what a machine answered is nobody's word.
    """
    world.by_mail(1)
    customer = world.change(1, user=BRIDGE, notes="from the customer")
    agent = world.change(1, notes="an agent's mail")
    own = world.change(1, user=BRIDGE, notes="the bridge's own")
    away = [world.change(1, user=BRIDGE, notes="I am out of office") for _ in range(2)]
    world.note_by_mail(1, customer, KIM, uid=50)
    world.note_by_mail(1, away[0], KIM, uid=52, machine=True)
    mirror.refresh()
    world.note_by_mail(1, agent, "anna@example.com", uid=51)
    world.note_by_mail(1, away[1], KIM, uid=53, machine=True)
    world.now += 3600
    mirror.refresh()
    found = {one.id: (one.side, one.mail_id is not None) for one in issues.journals([1])}
    machines = dict.fromkeys(away, ("bridge", True))
    assert {customer: ("customer", True), agent: ("agent", True), own: ("bridge", False)} | machines == found


@pytest.mark.fault("A12-8")
@pytest.mark.parametrize("known", [True, False], ids=["an issue was made", "nothing was made"])
def test_redmines_clock_is_set_back(world: World, mirror: IssueSync, issues: IssueCopy, *, known: bool) -> None:
    """What somebody writes after Redmine's clock was set back is read by the next refresh where an issue was made
    since, as whose time of making tells of it, else by the next stocktaking; nothing is read twice for that.
    """
    for number in (1, 2):
        world.by_mail(number)
    world.now += 3600
    world.change(2, notes="Before")
    mirror.refresh()
    world.now += OVERLAP + 1
    mirror.refresh()
    world.behind = 7200.0
    world.now += 60
    world.change(1, notes="After it was set back")
    if known:
        mirror._client.clock_offset = timedelta(seconds=-world.behind)
        mirror.refresh()
    else:
        mirror.take_stock()
    assert ["agent"] == [one.side for one in issues.journals([1])]
    world.now += 86_400
    mirror.refresh()  # once more, as it was changed in the second in which it was read
    assert [] == mirror.take_stock().read


@pytest.mark.parametrize("fractions", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_whatever_moves_while_the_pages_are_read(
    world: World, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, seed: int, *, fractions: bool
) -> None:
    """What changed before the first page, and not again, is listed, whatever else changes between the pages."""
    monkeypatch.setattr("redmine_mailbridge.tasks.update.issue_list.PAGE", 5)
    chance, world.fractions, moved = random.Random(seed), fractions, set()
    for number in range(1, chance.randrange(1, 60)):
        world.add(number)
    for number in chance.sample(sorted(world.issues), len(world.issues)):
        world.now += chance.choice([0, 0, 0, 0.3, 1])
        world.change(number)
    before = {number: seconds(issue["updated_on"]) for number, issue in world.issues.items()}
    whole, since = world.page, START + chance.randrange(4)

    def page(query: dict[str, list[str]]) -> bytes:
        shown = whole(query)
        if chance.random() < 0.4:
            for number in chance.sample(sorted(world.issues), min(3, len(world.issues))):
                world.now += chance.choice([0, 0.2])
                world.change(number)
                moved.add(number)
        return shown

    monkeypatch.setattr(world, "page", page)
    pages = IssueList(Client(Connection(tiny.url, "key"))).pages(iso(since))
    listed = {int(issue["id"]) for page in pages for issue in page}
    assert not {number for number, changed in before.items() if changed >= since} - moved - listed
