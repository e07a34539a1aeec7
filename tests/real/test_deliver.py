"""Mail that a mail server hands to `deliver`, up to the issue in a real Redmine."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.product import Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """A bridge whose only mailbox is one of `deliver`."""
    made = product(tmp_path, redmine, mailbox, project)
    box = made.values["mailboxes"]["support"]
    for name in ("host", "port", "security", "password", "start_from"):
        del box[name]
    box |= {"address": "support@example.com", "protocol": "deliver", "spool_dir": str(tmp_path / "spool")}
    made.change({})
    return made


def new(bridge: Product) -> list[Path]:
    """What waits in the spool."""
    return list((bridge.folder / "spool" / "support@example.com" / "new").iterdir())


def deliver(bridge: Product, raw: bytes, *arguments: str, **environment: str) -> None:
    """Given a mail, hand it to `deliver`, as a mail server does."""
    command = [sys.executable, "-m", "redmine_mailbridge", "deliver", "--spool", str(bridge.folder / "spool")]
    subprocess.run([*command, *arguments], input=raw, env=os.environ | environment, check=True, timeout=60)


def test_receive_takes_the_spool(bridge: Product, redmine: Redmine, project: str) -> None:
    """`receive --once` makes the spool, and issues and notes of what was delivered, by recipient or by name; the spool
    is empty then, and the store holds the mails.
    """
    assert 0 == bridge.command("receive", "--once").returncode
    question = mail("Printer", "It smokes.\n")
    deliver(bridge, question, "--from", "anna@example.com", RECIPIENT="support+x@example.com")
    deliver(bridge, b"From x Sun Nov 29 08:00:00 2026\n" + mail("Scanner"), "--mailbox", "support")
    assert 0 == bridge.command("receive", "--once").returncode
    assert ["Printer", "Scanner"] == sorted(issue["subject"] for issue in redmine.admin.issues(project))
    deliver(bridge, mail("Re: Printer", "Still.\n", In_Reply_To=message_id_of(question)), "--to", "support@example.com")
    assert 0 == bridge.command("receive", "--once").returncode
    (issue,) = [one for one in redmine.admin.issues(project) if one["subject"] == "Printer"]
    assert any("Still." in note for note in redmine.admin.notes(issue["id"]))
    assert [] == new(bridge)
    assert [State.DONE] * 3 == [row.state for row in bridge.rows()]


def test_a_running_service_takes_it_at_once(bridge: Product, redmine: Redmine, project: str) -> None:
    """`run` takes a mail from the spool within a second, without a schedule that would have it look."""
    bridge.change({"tasks": {"receive": {"every": "1h"}}})
    with bridge.service() as service:
        service.wait_for("receive.first_sync")
        taken = []
        for number in range(3):
            deliver(bridge, mail(f"Mail {number}"), "--mailbox", "support")
            delivered_at = time.monotonic()
            until = delivered_at + 30
            while new(bridge) and time.monotonic() < until:
                threading.Event().wait(0.01)
            taken.append(time.monotonic() - delivered_at)
        done = service.wait_for("mail", 3)
    assert ["done"] * 3 == [line["state"] for line in done]
    assert 3 == len(redmine.admin.issues(project))
    assert min(taken) < 1.5, taken  # with the issue made and the mail filed; a busy machine takes longer now and then


def test_a_failed_mail_is_seen_and_retried(bridge: Product, redmine: Redmine, project: str) -> None:
    """A mail that is rejected lies in the spool's failure folder, is listed with its reason, and a retry, when the
    settings fit, makes its issue and removes it from there, although its bytes are no longer in the store.
    """
    bridge.support(senders={"block": ["elsewhere.example"]})
    bridge.receive()
    deliver(bridge, mail("Printer", sender="Eve <eve@elsewhere.example>"), "--mailbox", "support")
    bridge.receive()
    (row,) = bridge.rows()
    assert State.REJECTED is row.state
    assert "Failed" == row.filed_to
    failed = bridge.folder / "spool" / "support@example.com" / "Failed"
    assert ([], 1) == (new(bridge), len(list(failed.iterdir())))
    (listed,) = bridge.command_json("messages")
    assert ("rejected", "Printer") == (listed["state"], listed["subject"])
    with bridge.application() as made:
        assert 1 == forget_raw(made.store, older_than=time.time() + 60)
    bridge.support(senders={"block": []})
    assert 0 == bridge.command("messages", "retry", str(row.id)).returncode
    bridge.receive()
    assert ["Printer"] == [issue["subject"] for issue in redmine.admin.issues(project)]
    assert ([], []) == (new(bridge), list(failed.iterdir()))


def test_without_its_spool_the_mailbox_has_an_error(bridge: Product, redmine: Redmine) -> None:
    """A spool that cannot be made is the mailbox's error, in the exit code, in `mailboxes` and in `check`."""
    (bridge.folder / "spool").write_bytes(b"a file")
    done = bridge.command("receive", "--once")
    assert 1 == done.returncode
    assert str(bridge.folder / "spool") in done.stderr
    (line,) = bridge.command_json("mailboxes")
    assert ("deliver", "error") == (line["protocol"], line["state"])
    assert str(bridge.folder / "spool") in line["error"]


def test_a_mailbox_that_was_read_by_imap(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, tmp_path: Path
) -> None:
    """A mailbox that was read by IMAP, from its first day on, and is one of `deliver` now takes each mail from the
    spool, also one whose time is earlier since the clock was set back; and under another name what waited there.
    """
    (tmp_path / "before").mkdir()
    before = product(tmp_path / "before", redmine, mailbox, project)
    before.change({"store": {"url": f"sqlite:///{tmp_path}/mailbridge.db"}})
    before.support(address="support@example.com", username=mailbox.address, start_from="now")
    mailbox.append(mail("Old"))
    before.receive()
    bridge.change({"store": {"url": f"sqlite:///{tmp_path}/mailbridge.db"}})
    bridge.receive()
    deliver(bridge, mail("New"))
    deliver(bridge, mail("Earlier"))
    _, second = sorted(new(bridge))
    os.utime(second, (time.time() - 86_400,) * 2)
    bridge.receive()
    assert ["Earlier", "New"] == sorted(issue["subject"] for issue in redmine.admin.issues(project))
    deliver(bridge, mail("Waiting"))
    bridge.values["mailboxes"]["desk"] = bridge.values["mailboxes"].pop("support")
    bridge.change({})
    bridge.receive()
    assert 3 == len(redmine.admin.issues(project))
    assert {"desk"} == {row.location.mailbox for row in bridge.rows() if row.subject != "Old"}
