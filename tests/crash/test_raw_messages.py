"""Raw messages in PostgreSQL: the bridge dies between the parts of one, before its row, and while they are moved."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.side_effects import Moment, SideEffect
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.move import misplaced
from redmine_mailbridge.store.raw_mails.spool import ORPHANED_AFTER
from redmine_mailbridge.store.tables import raw_mail
from redmine_mailbridge.wiring.store import open_store
from tests.crash.letters import letter
from tests.crash.test_boundaries import MOVED, PARTS
from tests.crash.world import World
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.crash, pytest.mark.newest]
LARGE = 60_000
"""Lines of a file with which a message is written in several transactions."""
STANDS = [(*boundary, number) for boundary in PARTS for number in (1, 2, 3)]
STANDS += [(SideEffect.KEEP_RAW, "after", 1), (SideEffect.KEEP_ROW, "before", 1)]


@pytest.fixture
def world(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A bridge whose temporary files are its own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return World(tmp_path, redmine, {"box": (mailbox, project)})


def complete(store: Store) -> list[bool]:
    """Of each message in the database, whether it is complete."""
    with store.database.read() as db:
        return [digest is not None for digest in db.execute(sa.select(raw_mail.c.digest)).scalars()]


@pytest.mark.parametrize(("effect", "moment", "number"), STANDS)
def test_a_large_mail_is_made_once_although_the_bridge_died_over_its_parts(
    world: World, postgresql_url: str, effect: SideEffect, moment: Moment, number: int
) -> None:
    """Killed between the parts of a raw message, or with all of them and no row, the bridge makes the mail once, with
    its file; what is left of the parts goes with the upkeep.
    """
    world.extra = f'[store]\nurl = "{postgresql_url}"\n'
    world.write_settings()
    world.deliver([letter(files=1, file_lines=LARGE), letter()])
    told = f"{effect}:{moment}:{number}"
    assert told == world.command("receive", "--once", die=told).wait(), (world.directory / "victim.log").read_text()
    world.finish()
    assert [] == world.judge().wrong
    store = open_store(world.settings())
    store.raw.table._clock = lambda: store.clock() + ORPHANED_AFTER + 1
    half_written = complete(store).count(False)
    assert (effect is SideEffect.KEEP_PART and (moment, number) not in {("before", 1), ("after", 3)}) == half_written
    assert half_written == store.raw.sweep()
    assert [True, True] == complete(store)
    assert 0 == misplaced(store)
    store.close()


@pytest.mark.parametrize(("effect", "moment"), MOVED, ids=str)
def test_no_raw_message_is_lost_although_the_move_died(
    world: World, postgresql_url: str, effect: SideEffect, moment: Moment
) -> None:
    """Killed while it moves raw messages from the folder to the database, and back, the command continues."""
    place = f'[store]\nurl = "{postgresql_url}"\nraw_dir = "mails"\n'
    world.extra = place
    world.write_settings()
    world.deliver([letter(files=1, file_lines=LARGE), letter(), letter()])
    world.finish()
    mails = world.directory / "mails"
    for storage, files in (("database", 0), ("folder", 3)):
        world.extra = f'{place}raw_storage = "{storage}"\n'
        world.write_settings()
        told = f"{effect}:{moment}:2"
        assert told == world.command("raw-messages", "move", die=told).wait()
        assert not world.command("raw-messages", "move").wait()
        store = open_store(world.settings())
        assert (files, [True] * (3 - files)) == (len(list(mails.rglob("*.eml"))), complete(store))
        assert 0 == misplaced(store)
        assert all(store.raw.here.whole(row.raw or "") for row in world.rows())
        store.close()
    assert [] == world.judge().wrong
