"""The requester of an issue set by a person: answers go there, the reply comes back, and it is undone."""

from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.product import mail, product
from tests.real.talk import sends_by
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real


@pytest.mark.parametrize("login", ["admin", "bridge"])
def test_the_requester_is_that_person(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path,
    redmine: Redmine,
    person: Callable[[str], Mailbox],
    mailbox: Mailbox,
    project: str,
    server: Relay,
    login: str,
) -> None:
    """A colleague passes on what Kim has asked by telephone: set as the requester, Kim gets the agent's answer, and the
    colleague does not; Kim's reply, to an issue of a private project too, becomes a note. Undone before
    Kim has written, answers go to the colleague alone; afterwards Kim still takes part by that reply.
    """
    project = redmine.fresh_project(public=False)
    bridge = product(tmp_path, redmine, mailbox, project, login=login)
    sends_by(bridge, server)
    bridge.support(answers={"notes": "public_notes", "private_projects": True})
    bridge.issue(trust="authenticated")
    colleague, kim = person("colleague"), person("kim")

    def turn() -> None:
        done = bridge.quick("receive", "--once")
        assert 0 == done.exit_code, done.output

    def answers(text: str) -> None:
        redmine.api("anna").call("PUT", f"/issues/{issue}.json", {"issue": {"notes": text}})
        turn()

    turn()
    server.deliver(
        mail("Kim's printer", sender=colleague.address, to=mailbox.address), mailbox.address, colleague.address
    )
    turn()
    ((row, issue),) = [(row.id, row.issue) for row in bridge.rows()]
    bad = bridge.quick("messages", "requester", str(row), mailbox.address)
    assert (1, True) == (bad.exit_code, "the bridge's own" in bad.output)
    done = bridge.quick("messages", "requester", str(row), kim.address, "--name", "Kim Client")
    assert 0 == done.exit_code, done.output
    assert 0 == bridge.quick("messages", "requester", str(row), "--undo").exit_code
    answers("Which printer?")
    assert (0, 1) == (len(kim.mails()), len(colleague.mails()))
    assert 0 == bridge.quick("messages", "requester", str(row), kim.address, "--name", "Kim Client").exit_code
    answers("Please switch it on.")
    (answer,) = kim.mails()
    assert 1 == len(colleague.mails())
    read = message_from_bytes(answer)
    reply = mail(
        "Re: Kim's printer", "It is on.\n", sender=kim.address, to=mailbox.address, In_Reply_To=read["Message-ID"]
    )
    server.deliver(reply, mailbox.address, kim.address)
    turn()
    assert [issue, issue] == [row.issue for row in bridge.rows()]
    assert any("It is on." in text for text in redmine.admin.notes(issue))
    story = bridge.quick("messages", str(row)).output
    assert f"the requester of #{issue} is {kim.address} instead of {colleague.address}, set by" in story

    assert 0 == bridge.quick("messages", "requester", str(row), "--undo").exit_code
    assert 1 == bridge.quick("messages", "requester", str(row), "--undo").exit_code
    answers("And now?")
    assert 2 == len(colleague.mails())
