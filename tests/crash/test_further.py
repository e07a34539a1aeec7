"""What Redmine did not take of a mail stands in further notes, each once, whatever dies or breaks over them.

The project's tracker has no description, no .txt file is taken, and a text may have 2,000 bytes: all of a long mail
goes into notes after the issue, or after the note that it became.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.side_effects import Moment, SideEffect
from redmine_mailbridge.wiring import application as app
from tests.crash.dying import Died, dying
from tests.crash.letters import Letter, letter
from tests.crash.world import World
from tests.servers.faults import Fault, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.crash

NOTE = b"PUT /issues/"
WORD = re.compile(r"\bword[0-9]{3}\b")
WORDS = [f"word{number:03d}" for number in range(140)]
TEXT = "\n".join(f"{word} and more of it" for word in WORDS)
TRACKER = """
tracker = Tracker.create!(name: '%s', default_status: IssueStatus.sorted.first,
                          core_fields: Tracker::CORE_FIELDS - ['description'])
tracker.id
"""


@pytest.fixture
def world(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> Iterator[World]:
    """A bridge into a project that takes no description, of a Redmine that takes no .txt."""
    number = redmine.admin.run(TRACKER % f"No text {uuid.uuid4().hex[:8]}")
    redmine.admin.call("PUT", f"/projects/{project}.json", {"project": {"tracker_ids": [number]}})
    made = World(tmp_path, redmine, {"box": (mailbox, project)}, redmine_url=redmine_proxy.url)
    made.issue_extra = "description_limit = 2000"
    made.write_settings(settle="0s")
    with redmine.setting(attachment_extensions_denied="exe,txt"):
        yield made


def words_of(world: World) -> Counter[str]:
    """How often each word stands in the project's one issue and its notes."""
    (found,) = world.redmine.admin.issues(world.boxes["box"][1])
    issue = world.redmine.admin.issue(found["id"])
    assert not issue["description"]
    return Counter(WORD.findall("\n".join(str(one.get("notes") or "") for one in issue["journals"])))


def long_mail(reply_to: Letter | None = None) -> Letter:
    """A mail of the words above, half as long again as a text may be."""
    return letter("note" if reply_to else "issue", text=TEXT, reply_to=reply_to)


def died_at(world: World, effect: SideEffect, moment: Moment) -> bool:
    """Receive, and die at the first stand at a boundary. Return whether it came to that."""
    application = app.build(world.settings())
    try:
        with dying(effect, moment, 1):
            application.receivers[0].once()
        return False
    except Died:
        return True
    finally:
        application.close()


CLAIM = ((SideEffect.RECORD_INTENT, "before"), (SideEffect.RECORD_INTENT, "after"))
WRITE = ((SideEffect.ADD_NOTE, "before"), (SideEffect.ADD_NOTE, "after"))
END = ((SideEffect.RECORD_DONE, "before"), (SideEffect.RECORD_DONE, "after"))
ISSUE = (
    *CLAIM,
    (SideEffect.CREATE_ISSUE, "before"),
    (SideEffect.CREATE_ISSUE, "after"),
    *CLAIM,
    *WRITE,
    *CLAIM,
    *WRITE,
    *END,
)
"""Where each life in turn dies over a mail that becomes an issue and two further notes: all boundaries of its way."""
REPLY = (*WRITE, *CLAIM, *WRITE, *END)
"""Likewise over one that becomes a note and a further one."""


@pytest.mark.fault("M1")
@pytest.mark.parametrize("stands", [ISSUE, REPLY], ids=["issue", "reply"])
def test_further_notes_are_made_once_although_the_bridge_died(
    world: World, stands: tuple[tuple[SideEffect, Moment], ...]
) -> None:
    """Ended at each boundary on its way in turn, the bridge has all of a mail's words in Redmine in the end, once."""
    first = letter(text="A short one.")
    if stands is REPLY:
        world.deliver([first])
        world.finish()
    world.deliver([long_mail(first if stands is REPLY else None)])
    assert [True] * len(stands) == [died_at(world, effect, moment) for effect, moment in stands]
    world.finish()
    assert Counter(WORDS) == words_of(world)
    assert {"Processed": len(world.sent["box"]), "Failed": 0, "INBOX": 0} == world.boxes["box"][0].count()


@pytest.mark.fault("M1")
def test_further_notes_are_made_once_although_connections_break(world: World, redmine_proxy: FaultProxy) -> None:
    """Whatever becomes of the requests for them, or of their answers, further notes are there once."""
    faults = [
        Fault("sent", match=b"POST /issues.json"),
        Fault("sent", match=NOTE),
        failing(NOTE),
        Fault("request", match=NOTE, after=60),
        Fault("response", "gateway", match=NOTE),
    ]
    world.issue_extra = "description_limit = 1000"  # four further notes
    world.write_settings(settle="1s")
    world.deliver([long_mail()])
    redmine_proxy.plan(*faults)
    world.finish()
    assert faults == redmine_proxy.fired
    assert Counter(WORDS) == words_of(world)
