"""The bridge dies before and after every one of its side effects; whoever comes after it makes each mail once."""

from pathlib import Path

import pytest

from redmine_mailbridge.effects import Effect, Moment
from tests.crash.letters import batch
from tests.crash.world import World
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.crash

UPKEEP = {Effect.REMOVE_RAW, Effect.FORGET_RAW}
BOUNDARIES: list[tuple[Effect, Moment]] = [
    (effect, moment) for effect in Effect if effect not in UPKEEP for moment in ("before", "after")
]
UPKEEP_BOUNDARIES: list[tuple[Effect, Moment]] = [
    (effect, moment) for effect in Effect if effect in UPKEEP for moment in ("before", "after")
]


@pytest.fixture
def world(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> World:
    """A bridge of its own for each test."""
    return World(tmp_path, redmine, {"box": (mailbox, project)})


@pytest.mark.parametrize(("effect", "moment"), BOUNDARIES, ids=str)
def test_a_mail_is_made_once_although_the_bridge_died_twice_at_a_boundary(
    world: World, effect: Effect, moment: Moment
) -> None:
    """Killed at its first and, restarted, at its second stand at a boundary, the bridge makes every mail once."""
    world.deliver(batch())
    if effect is Effect.DEFER:  # something must be unclear for a mail to be put off
        world.write_settings(settle="3s")
        assert "create_issue:after:1" == world.command("receive", "--once", die="create_issue:after:1").wait()
    for number in (1, 2):
        told = f"{effect}:{moment}:{number}"
        died = world.command("receive", "--once", die=told).wait()
        if number == 1:
            assert told == died, world.command("messages").log.read_text()[-3000:]
    world.finish()
    assert [] == world.judge().wrong


@pytest.mark.parametrize(("effect", "moment"), UPKEEP_BOUNDARIES, ids=str)
def test_raw_mails_are_forgotten_whole_although_upkeep_died(world: World, effect: Effect, moment: Moment) -> None:
    """Killed while it forgets old raw mails, the bridge forgets all of them the next time, and no row misses one."""
    world.deliver(batch())
    world.finish()
    world.extra = '[store]\nkeep_raw = "1s"\n'
    world.write_settings()
    world.let_age(1.0)
    told = f"{effect}:{moment}:2"
    assert told == world.command("run", die=told).wait()
    world.pass_once()
    forget(world)
    assert [] == [path.name for path in (world.directory / "mails").rglob("*.eml")]
    assert [] == world.judge().wrong


def forget(world: World) -> None:
    """What the service does once an hour."""
    from redmine_mailbridge import app

    application = app.build(world.settings())
    try:
        application.upkeep()
    finally:
        application.close()
