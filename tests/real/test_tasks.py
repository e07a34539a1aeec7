"""The scheduled tasks, changed and asked for while a service runs in another process."""

import signal
from pathlib import Path

import pytest

from tests.product import Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = [pytest.mark.real, pytest.mark.newest]  # the schedule asks nothing of Redmine

ANNA = "Anna Adams <anna@customer.example>"


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """A bridge that reads on request only: its interval is an hour, and it does not listen."""
    made = product(tmp_path, redmine, mailbox, project)
    made.change({"tasks": {"receive": {"every": "1h"}}})
    return made


def test_sync_now(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """`tasks run receive` has the running service read now and tells its result; without a service it reads itself."""
    with bridge.service("--no-listen") as service:
        service.wait_for("receive.first_sync")
        assert 0 == bridge.quick("tasks", "run", "receive").exit_code  # behind the first pass
        mailbox.deliver(mail("Asked for", sender=ANNA))
        done = bridge.quick("tasks", "run", "receive")
        assert (0, "receive: 1 done\n") == (done.exit_code, done.stdout), done.stderr
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()
    mailbox.deliver(mail("By itself", sender=ANNA))
    assert 0 == bridge.quick("tasks", "run", "receive").exit_code
    assert ["Asked for", "By itself"] == sorted(one["subject"] for one in redmine.admin.issues(project))


def test_changed_while_running(bridge: Product, mailbox: Mailbox) -> None:
    """A new frequency counts within the running service, and is listed beside the file's value."""
    with bridge.service("--no-listen") as service:
        service.wait_for("receive.first_sync")
        assert 0 == bridge.quick("tasks", "set", "receive", "--every", "1s").exit_code
        mailbox.deliver(mail("Soon", sender=ANNA))
        service.wait_for("mail", seconds=20)
        shown = bridge.quick("tasks", "list").stdout
        assert "receive    every 1s" in shown
        assert "in the settings file: every 1h" in shown


def test_stop_survives_a_restart(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """After `stop` a service reads nothing, not even a service started later; after `start` it does."""
    assert 0 == bridge.quick("stop").exit_code
    mailbox.deliver(mail("Waits", sender=ANNA))
    once = bridge.quick("receive", "--once")
    assert (0, "processing is paused" in once.stderr) == (once.exit_code, True)
    with bridge.service() as service:
        service.wait_for("service.started")
        assert ["stopped"] * 3 == [one["state"] for one in bridge.quick_json("tasks", "list")]
        assert [] == redmine.admin.issues(project)
        assert 0 == bridge.quick("start").exit_code
        service.wait_for("mail", seconds=20)


def test_replies_wait_for_update(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """With `--no-update` a reply is kept and stays in the inbox; the update task makes it the note, once."""
    first = mail("First", sender=ANNA)
    mailbox.deliver(first)
    bridge.receive()
    (issue,) = redmine.admin.issues(project)
    mailbox.deliver(mail("Re: First", sender=ANNA, In_Reply_To=message_id_of(first)), mail("New", sender=ANNA))
    done = bridge.quick("receive", "--once", "--no-update")
    assert 0 == done.exit_code, done.stderr
    assert "waits for the update task" in done.stdout
    assert (1, 2) == (mailbox.count()["INBOX"], len(redmine.admin.issues(project)))
    assert [] == redmine.admin.issue(issue["id"])["journals"]

    assert 0 == bridge.quick("tasks", "run", "update").exit_code
    assert 1 == len(redmine.admin.issue(issue["id"])["journals"])
    assert 0 == mailbox.count()["INBOX"]
    assert 0 == bridge.quick("tasks", "run", "update").exit_code
    assert 1 == len(redmine.admin.issue(issue["id"])["journals"])


def test_paused_update_keeps_replies(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """While update is paused a running service keeps replies; when it is resumed they become notes at once."""
    first = mail("First", sender=ANNA)
    mailbox.deliver(first)
    assert 0 == bridge.quick("tasks", "pause", "update").exit_code
    with bridge.service() as service:
        service.wait_for("mail")
        mailbox.deliver(mail("Re: First", sender=ANNA, In_Reply_To=message_id_of(first)))
        (_, held) = service.wait_for("mail", 2, seconds=20)
        assert "waits for the update task" in held["reason"]
        assert 0 == bridge.quick("tasks", "reset", "update").exit_code
        assert 0 == bridge.quick("tasks", "run", "update").exit_code
        service.wait_for("mail", 3, seconds=20)
    (issue,) = redmine.admin.issues(project)
    assert 1 == len(redmine.admin.issue(issue["id"])["journals"])


def test_a_wrong_key_is_an_exit_code(bridge: Product, mailbox: Mailbox) -> None:
    """`receive --once` ends with 1 and Redmine's words when it does not accept the key; the mail stays, and `tasks
    list` tells of the run."""
    mailbox.deliver(mail("Kept", sender=ANNA))
    bridge.change({"redmine": {"api_key": "0" * 40}})
    done = bridge.quick("receive", "--once")
    assert 1 == done.exit_code
    assert "Redmine does not accept the API key (401)" in done.stderr
    assert "[redmine] api_key" in done.stderr
    assert "is away" not in done.stderr
    assert 1 == mailbox.count()["INBOX"]
    receive, _, _ = bridge.quick_json("tasks", "list")
    assert "401" in receive["last_error"]
    assert receive["last_ended"] >= receive["last_began"]
