"""What the bridge writes itself it was shown in doing so: the copy of issues is fed by that, and misses nothing."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.responses import Response
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.tables import mail
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from tests.unit.redmine.tiny import Tiny, serve
from tests.unit.tasks.update.test_issue_sync import BRIDGE, OVERLAP, World, iso


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
def client(tiny: Tiny) -> Client:
    return Client(Connection(tiny.url, "key"))


@pytest.fixture
def issues(world: World) -> IssueCopy:
    return IssueCopy(world.store.database, lambda: world.now)


@pytest.fixture
def mirror(world: World, client: Client, issues: IssueCopy) -> IssueSync:
    from redmine_mailbridge.redmine.recent_issues import RecentIssues

    return IssueSync(issues, client, MetadataCache(client), RecentIssues(client, lambda: world.now))


def written(world: World, client: Client, count: int) -> list[int]:
    """So many mails become issues, as the bridge writes them. Return their numbers."""
    numbers = [int(client.post("/issues.json", {"issue": {}})["issue"]["id"]) for _ in range(count)]
    for number in numbers:
        world.by_mail(number)
    return numbers


def asked(world: World, mirror: IssueSync) -> list[str]:
    """What a refresh asks of Redmine."""
    before = len(world.asked)
    mirror.refresh()
    return world.asked[before:]


def test_new_issues_are_not_read(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """Of 90 issues that mails have just made none is read: the list, with what is asked once, tells of all."""
    mirror.refresh()
    numbers = written(world, client, 90)
    assert [] == [path for path in asked(world, mirror) if path.startswith("/issues/")]
    assert numbers == [one.id for one in issues.issues()]
    world.now += 3
    assert ["/issues.json", "/issues.json"] == asked(world, mirror)  # what was changed; of which somebody wrote a note
    assert ["/issues.json"] == asked(world, mirror)
    assert [] == issues.issues(settled=False)


def test_new_issues_of_a_long_pass_are_not_read(
    world: World, client: Client, mirror: IssueSync, issues: IssueCopy
) -> None:
    """Of 250 issues that mails made within ten minutes none is read: the next run asks whether somebody wrote a note to
    one, the sweep after five minutes for pages of a hundred.
    """
    numbers = []
    for _ in range(250):
        numbers += written(world, client, 1)
        world.now += 2.5
    (late, *_) = numbers
    first = asked(world, mirror)
    assert 3 == first.count("/issues.json")  # the newest; what was changed; of which somebody wrote a note
    assert 1 == asked(world, mirror).count("/issues.json")
    world.issues[late]["subject"] = "Renamed by a plugin in the second of its creation"
    world.now += OVERLAP
    swept = asked(world, mirror)
    assert swept.count("/issues.json") <= 6
    assert [f"/issues/{late}.json"] == [path for path in swept if path.startswith("/issues/")]
    world.now += 3
    mirror.refresh()
    assert [] == issues.issues(settled=False)


def test_the_copy_is_the_same(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """What was shown as the issue was made is what reading it tells."""
    (number,) = written(world, client, 1)
    mirror.refresh()
    fed = issues.get(number)
    assert fed is not None
    world.now += 3600
    assert [number] == mirror.refresh(reread_all=True).read
    assert replace(fed, settled=True, seen_at=world.now) == issues.get(number)


@pytest.mark.parametrize("how", [{"notes": "Already done"}, {"status": "Closed"}, {"subject": "Renamed"}])
def test_a_change_within_the_second(
    world: World, client: Client, mirror: IssueSync, issues: IssueCopy, how: dict[str, str]
) -> None:
    """What somebody does to an issue within the second in which it was made is read, be it a note alone."""
    quiet, busy = written(world, client, 2)
    world.change(busy, **how)  # type: ignore[arg-type]  # texts all of them
    mirror.refresh()
    assert [] == issues.journals([busy])
    world.now += 3
    assert [f"/issues/{busy}.json"] == [path for path in asked(world, mirror) if path.startswith("/issues/")]
    assert [1] == [one.id for one in issues.journals([busy])]
    assert [] == issues.journals([quiet])


def test_a_change_later(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that somebody changed before it was copied is read, once."""
    (number,) = written(world, client, 1)
    world.now += 5
    world.change(number, notes="At once")
    assert 1 == asked(world, mirror).count(f"/issues/{number}.json")
    assert [1] == [one.id for one in issues.journals([number])]


def test_a_confirmed_note(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """A note that was confirmed by reading its issue is copied from that, and the issue read once more when the second
    in which it was written is over.
    """
    (number,) = written(world, client, 1)
    world.now += 5
    mirror.refresh()
    world.now += 5
    world.change(number, user=BRIDGE, notes="By mail")
    client.get(f"/issues/{number}.json", [("include", "journals")])
    assert 0 == asked(world, mirror).count(f"/issues/{number}.json")
    assert [True] == [one.has_notes for one in issues.journals([number])]
    world.change(number, notes="In the same second")
    world.now += 3
    assert 1 == asked(world, mirror).count(f"/issues/{number}.json")
    assert 2 == len(issues.journals([number]))


def test_what_another_user_was_shown(world: World, client: Client, mirror: IssueSync) -> None:
    """An issue read as another user, who may see less of its history, is not copied from that."""
    (number,) = written(world, client, 1)
    world.now += 5
    mirror.refresh()
    world.now += 5
    world.change(number, notes="For us")
    client.get(f"/issues/{number}.json", [("include", "journals")], as_login="kim")
    assert 1 == asked(world, mirror).count(f"/issues/{number}.json")


def test_our_own_change_ends_what_was_shown(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that we change after it was made is not copied as it was before."""
    from redmine_mailbridge.redmine.recent_issues import RecentIssues

    recent = RecentIssues(client)
    (number,) = written(world, client, 1)
    client.post(f"/issues/{number}/watchers.json", {"user_id": 1})
    client.put(f"/issues/{number}.json", {"issue": {"subject": "x"}})
    assert None is recent.take(number)


@pytest.mark.fault("A18-10")
def test_a_note_that_was_copied_before_its_mail_was_done(world: World, client: Client, mirror: IssueSync) -> None:
    """An agent's note by mail that the copy took over before the mail was recorded as done is not mailed again, though
    the copy still takes it for one that was written in Redmine.
    """
    (number,) = written(world, client, 1)
    world.now += 60
    mirror.refresh()
    journal = world.change(number, notes="By mail")
    client.get(f"/issues/{number}.json", [("include", "journals")])  # the note is confirmed
    mirror.refresh()
    decisions = NoteDecisions(world.store.database, lambda: world.now)
    assert [(number, journal)] == decisions.undecided("support", notes=0, closed=0)
    world.note_by_mail(number, journal, "anna@desk.example", 77)
    assert [] == decisions.undecided("support", notes=0, closed=0)


@pytest.mark.fault("A18-9")
def test_a_plugin_closes_it_at_once(world: World, client: Client, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that a plugin closes as it is made, so that it is answered closed, has the closing in its history."""
    made = world.add

    def closed(number: int) -> None:
        made(number)
        world.change(number, status="Closed", closed_on=world.there)

    world.add = closed  # type: ignore[method-assign]  # a plugin
    (number,) = written(world, client, 1)
    mirror.refresh()
    world.now += 3
    mirror.refresh()
    assert [("New", "Closed")] == [(one.status_from, one.status_to) for one in issues.journals([number])]


@pytest.mark.fault("A18-8")
def test_what_is_remembered_is_bounded(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the histories are that the bridge is shown, what is remembered of them stays small; the newest
    stays.
    """
    from redmine_mailbridge.redmine import recent_issues

    monkeypatch.setattr(recent_issues, "MOST", 20_000)
    recent = recent_issues.RecentIssues(client)
    (first, *_, last) = numbers = written(world, client, 30)
    for number in numbers:
        for _ in range(20):
            world.change(number, notes="A note")
        client.get(f"/issues/{number}.json", [("include", "journals")])
    assert None is recent.take(first)
    assert None is not recent.take(last)
    assert sum(len(own) + len(alike) for _, own, alike in recent._kept.values()) <= 20_000


def test_memory_of_many_new_issues(world: World, client: Client) -> None:
    """5,000 new issues that differ in number, subject and times are remembered in 2.5 MB at most, all of them, and
    nothing is left when they are taken. What they have in common is there once.
    """
    from redmine_mailbridge.redmine.recent_issues import RecentIssues

    recent = RecentIssues(client)
    world.add(1)
    alike = {
        "custom_fields": [{"id": 1, "name": "Requester of the mail", "value": ""}] * 5,
        "status": {"name": "x" * 90},
    }
    issues = [world.issues[1] | alike | {"id": n, "subject": f"Request {n}: " + "x" * 40} for n in range(1, 5001)]
    tracemalloc.start()
    try:
        for issue in issues:
            recent._learn("post", "/issues.json", Response(issue=issue), None)
        assert tracemalloc.get_traced_memory()[0] <= 2_500_000
    finally:
        tracemalloc.stop()
    for issue in issues:
        shown = recent.take(issue["id"])
        assert shown is not None
        assert (issue["subject"], issue["custom_fields"]) == (
            shown.issue_data["subject"], shown.issue_data["custom_fields"]
        )  # fmt: skip
    assert (0, {}) == (recent._size, recent._uses)


@pytest.mark.fault("P17-4")
def test_an_issue_of_the_future(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """An issue that was changed while Redmine's clock was ten hours ahead hides no change of now."""
    world.by_mail(1)
    world.by_mail(2)
    world.issues[2]["updated_on"] = iso(world.now + 36_000)
    world.now += 60
    mirror.refresh()
    world.now += OVERLAP + 60
    mirror.refresh()
    world.change(1, notes="Now")
    mirror.refresh()
    assert [1] == [one.id for one in issues.journals([1])]


def test_a_very_large_desk(world: World, mirror: IssueSync, issues: IssueCopy) -> None:
    """Of 50,000 issues that came by mail 20 have changed: that is 25 requests at most, and one when none has."""
    count, before = 50_000, world.now - 86_400
    world.by_mail(1)
    world.now += 3600
    mirror.refresh()
    known = issues.get(1)
    assert known is not None
    with world.store.database.write() as db:
        first = db.execute(sa.select(mail).where(mail.c.created_issue == 1)).one()._mapping
        unique = {"id", "uid", "message_id", "content_key", "created_issue", "issue"}
        common = {name: value for name, value in first.items() if name not in unique}
        rows = [
            common | {"id": n, "uid": f"u{n}", "message_id": f"{n}@m.example", "content_key": f"k{n}"}
            | {"created_issue": n, "issue": n}
            for n in range(2, count + 1)
        ]  # fmt: skip
        db.execute(sa.insert(mail), rows)
    old = replace(known, created_on=before, updated_on=before, settled=True)
    issues.save_all([(replace(old, id=n, mail_id=n), ()) for n in range(2, count + 1)])
    plain = world.issues[1] | {"created_on": iso(before), "updated_on": iso(before)}
    world.issues |= {n: plain | {"id": n, "journals": []} for n in range(2, count + 1)}
    world.now += 600
    mirror.refresh()
    assert ["/issues.json"] == asked(world, mirror)
    for number in range(100, 2100, 100):
        world.change(number, status="Closed", closed_on=world.there)
    world.now += 60
    found = asked(world, mirror)
    assert len(found) <= 25, found
    assert 20 == len(issues.issues(closed=True))


def test_custom_fields_are_kept(world: World, client: Client) -> None:
    """What a write returns of an issue contains its custom fields: a changed requester is seen without a request."""
    from redmine_mailbridge.redmine.recent_issues import RecentIssues

    recent = RecentIssues(client, lambda: world.now)
    world.add(1)
    world.issues[1]["custom_fields"] = [{"id": 72, "name": "Requester", "value": "lee@client.example"}]
    client.get("/issues/1.json", [("include", "journals")])
    shown = recent.take(1)
    assert shown is not None
    assert world.issues[1]["custom_fields"] == shown.issue_data["custom_fields"]


@pytest.mark.parametrize("later", [0, 60])
def test_times_are_kept(world: World, client: Client, later: float) -> None:
    """An issue is remembered as Redmine returned it, whether or not it changed after it was created."""
    from redmine_mailbridge.redmine.recent_issues import RecentIssues

    recent = RecentIssues(client, lambda: world.now)
    world.add(1)
    world.now += later
    world.change(1, notes="")
    client.get("/issues/1.json", [("include", "journals")])
    shown = recent.take(1)
    assert shown is not None
    names = ("id", "subject", "created_on", "updated_on")
    assert {name: world.issues[1][name] for name in names} == {name: shown.issue_data[name] for name in names}
    assert (later == 0) == (shown.issue_data["created_on"] == shown.issue_data["updated_on"])
