"""A move and its undo, with the bridge dying before and after every side effect: the mail is in one place, once."""

import contextlib
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import Moment, SideEffect
from tests.crash.dying import Died, dying
from tests.product import Product, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.crash, pytest.mark.newest]
EFFECTS = (
    SideEffect.RECORD_STEP, SideEffect.RECORD_INTENT, SideEffect.ADD_NOTE, SideEffect.ADD_RELATION,
    SideEffect.RECORD_DONE,
)  # fmt: skip
BOUNDARIES: list[tuple[SideEffect, Moment]] = [(one, at) for one in EFFECTS for at in ("before", "after")]  # type: ignore[misc]  # a literal


def passes(bridge: Product, effect: SideEffect, moment: Moment, holds: Callable[[], bool]) -> None:
    """Receive until nothing dies any more: at the first stand, at the second, and so on. Then receive until it holds:
    an intent whose request is in doubt is looked up when Redmine had its time, a second here, and a quick machine makes
    many passes in that. And once more, since what holds must stay so.
    """
    for number in (1, 2, 3):
        with contextlib.suppress(Died), dying(effect, moment, number):
            bridge.passes()
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        bridge.passes()
    bridge.passes()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("effect", "moment"), BOUNDARIES)
def test_a_move_and_its_undo(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, effect: SideEffect, moment: Moment
) -> None:
    """Whatever dies, the reply is a note of the other issue once, and undone it is one of the first, once; the same
    with a mail that made an issue.
    """
    bridge = product(tmp_path, redmine, mailbox, project)
    one = uuid.uuid4().hex
    mailbox.append(
        mail("Printer", message_id=f"<{one}@elsewhere.example>"), mail("Scanner"), mail("Double", "Twice?\n")
    )
    bridge.passes()
    mailbox.append(mail("Re: Printer", "The words.\n", In_Reply_To=f"<{one}@elsewhere.example>"))
    bridge.passes()
    rows = {row.subject: row for row in bridge.rows()}
    first, other, double = (rows[name].issue for name in ("Printer", "Scanner", "Double"))
    reply, own = rows["Re: Printer"].id, rows["Double"].id

    def found(words: str, issue: int) -> int:
        return sum(words in text for text in redmine.admin.notes(issue))

    def places() -> tuple[int, int, int]:
        return found("The words.", first), found("The words.", other), found("Twice?", other)

    def at(reply_issue: int, own_issue: int) -> bool:
        now = {row.id: (row.state, row.issue) for row in bridge.rows()}
        return (now[reply], now[own]) == ((State.DONE, reply_issue), (State.DONE, own_issue))

    assert 0 == bridge.quick("messages", "move", str(reply), str(own), "--issue", str(other)).exit_code
    passes(bridge, effect, moment, lambda: at(other, other) and places() == (0, 1, 1))
    assert (0, 1, 1) == places()
    assert 0 == bridge.quick("messages", "undo", str(reply), str(own)).exit_code
    passes(bridge, effect, moment, lambda: at(first, double) and places() == (1, 0, 0))
    assert (1, 0, 0) == places()
    assert 3 == len(redmine.admin.issues(project))
    assert at(first, double)
