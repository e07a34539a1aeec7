"""What `check` says about the spool of `deliver`."""

import os
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.checks.delivered import left_in_the_spool
from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.mailboxes.delivered import drop
from redmine_mailbridge.mailboxes.delivered.preparation import prepare
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.wiring.mailboxes import mailbox_of

FOLDER = "desk@example.com"


def checked(spool: Path) -> dict[str, Check]:
    """Given a spool, check the mailbox `desk` there. Return what is found by its name."""
    given: dict[str, Any] = {
        "address": FOLDER, "protocol": "deliver", "host": "localhost", "security": "none", "spool_dir": spool,
        "issue": {"project": "support"},
    }  # fmt: skip
    box = MailboxSettings.model_validate(given)
    return {
        check.name.removeprefix("mailbox desk: "): check
        for check in mailbox_checks("desk", box, mailbox_of("desk", box))
    }


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The spool as the service prepares it."""
    index: dict[str, dict[str, object]] = {"desk": {"folder": FOLDER, "addresses": [FOLDER], "max_size": 100}}
    prepare(tmp_path / "spool", index)
    return tmp_path / "spool"


def test_a_spool_that_is_not_there(tmp_path: Path) -> None:
    """Before the first start there is no spool, and `check` makes none."""
    found = checked(tmp_path / "spool")
    assert [("spool", None)] == [(name, check.ok) for name, check in found.items()]
    assert not (tmp_path / "spool").exists()


def test_all_well(spool: Path) -> None:
    """The path, who may deliver, and what waits."""
    drop.add(str(spool), FOLDER, [b"Subject: x\n\n"], max_size=100)
    found = checked(spool)
    assert {"spool": True, "deliver": True, "folder INBOX": True} == {name: one.ok for name, one in found.items()}
    assert "only" in found["deliver"].words
    assert "1 message" == found["folder INBOX"].words


def test_what_does_not_belong_there(spool: Path) -> None:
    """A file that is no mail of `deliver` is a note; everybody's right to write is an error."""
    (spool / FOLDER / "new" / "readme").touch()
    (spool / FOLDER / "new").chmod(0o777)
    found = checked(spool)
    assert (False, None) == (found["deliver"].ok, found["folder INBOX"].ok)
    assert "0 messages, and 1 other file" in found["folder INBOX"].words


def test_a_group_that_may_deliver(spool: Path) -> None:
    """The group is named."""
    (spool / FOLDER / "new").chmod(0o1770)
    assert "as a member of the group" in checked(spool)["deliver"].words


@pytest.mark.fault("A43-11")
@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
def test_a_spool_that_got_its_group_later(spool: Path) -> None:
    """Folders that were made before the spool was given to a group keep theirs: what corrects that is named."""
    os.chown(spool, -1, 65534)
    spool.chmod(0o2755)
    found = checked(spool)["deliver"]
    assert found.ok is False
    assert f"chgrp -R nogroup {spool}" in found.words
    for path in (spool, *spool.rglob("*")):
        os.chown(path, -1, 65534)
    assert checked(spool)["deliver"].ok


def test_mail_for_a_mailbox_that_is_gone(spool: Path) -> None:
    """Mail that waits for an address which no mailbox has any more is a note; and so is an index without this one."""
    drop.add(str(spool), FOLDER, [b"Subject: x\n\n"], max_size=100)
    prepare(spool, {"new": {"folder": "new@example.com", "addresses": ["new@example.com"], "max_size": 100}})
    found = checked(spool)
    assert "does not name this mailbox yet" in found["deliver"].words
    assert "has 1 message for an address that no mailbox has" in found["spool"].words


@pytest.mark.parametrize("damage", ["index", "folder"])
def test_a_damaged_spool(spool: Path, damage: str) -> None:
    """A damaged index, and a file in place of a folder, are errors with the path."""
    if damage == "index":
        (spool / drop.INDEX).write_text("{")
    else:
        (spool / FOLDER / "new").rmdir()
        (spool / FOLDER / "new").touch()
    failed = [check for check in checked(spool).values() if check.ok is False]
    assert [True] == [str(spool) in check.words for check in failed]


@pytest.mark.fault("A43-12")
def test_mail_that_waits_since_the_protocol_was_another(spool: Path) -> None:
    """A mailbox that is read by IMAP now is told what `deliver` stores for it still, and what waits there; one whose
    spool is another mailbox's, or empty, is not.
    """
    given: dict[str, Any] = {
        "address": FOLDER, "host": "localhost", "username": "u", "password": "p", "spool_dir": spool,
        "issue": {"project": "support"},
    }  # fmt: skip
    box = MailboxSettings.model_validate(given)
    (check,) = left_in_the_spool("desk", box)
    assert check.ok is False
    assert "`deliver` accepts more" in check.words
    assert [] == list(left_in_the_spool("imap", box))
    drop.add(str(spool), FOLDER, [b"Subject: x\n\n"], max_size=100)
    prepare(spool, {"desk": {"folder": None, "addresses": [FOLDER], "max_size": 100}})
    (check,) = left_in_the_spool("desk", box)
    assert (None, f"{spool / FOLDER / 'new'} has 1 message, which no one receives") == (check.ok, check.words)
    found = list(mailbox_checks("desk", box, mailbox_of("desk", box)))
    assert check == found[0]
    next((spool / FOLDER / "new").iterdir()).unlink()
    assert [] == list(left_in_the_spool("desk", box))
