"""The commands on the assembled product, as processes of their own: what they print and what they leave alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.product import ANNA, DAVE, Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.real

EXPLAINED = [
    "file", "message_id", "from", "subject", "automatic", "plan", "issue", "project", "reason", "text", "quoted",
    "attachments", "left_out", "keywords",
]  # fmt: skip


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key, trusting every From line."""
    return product(tmp_path, redmine, mailbox, project)


def snapshot(folder: Path) -> dict[str, int]:
    """Every file below a folder with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_receive_once(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """`receive --once --json` prints one object a mail, and ends with 0."""
    mailbox.append(mail("Good", sender=ANNA), mail("Bad", sender=DAVE))
    good, bad = sorted(bridge.command_json("receive", "--once"), key=lambda value: value["subject"], reverse=True)
    (issue,) = redmine.admin.issues(project)

    assert ("Good", "anna@example.com", "done", "create") == tuple(
        good[key] for key in ("subject", "from", "state", "action")
    )
    assert (issue["id"], "Processed") == (good["issue"], good["filed"])
    assert ("rejected", None, "Failed") == (bad["state"], bad["issue"], bad["filed"])


def test_receive_again(bridge: Product, mailbox: Mailbox) -> None:
    """A second pass has nothing to do, and says so."""
    mailbox.append(mail(sender=ANNA))
    bridge.receive()
    done = bridge.quick("receive", "--once")

    assert (0, "no new mail\n") == (done.exit_code, done.stdout)


def test_receive_with_a_wrong_key(bridge: Product, mailbox: Mailbox) -> None:
    """A key that Redmine rejects ends `receive` with 1 and what to change, also when there is no new mail and Redmine
    would answer the rest as it answers anonymous requests. New mail is fetched, and waits.
    """
    mailbox.append(mail("First", sender=ANNA))
    bridge.receive()
    key = bridge.values["redmine"]["api_key"]
    bridge.change({"redmine": {"api_key": "0" * 40}})
    empty = bridge.quick("receive")
    mailbox.append(mail("Second", sender=ANNA))
    waiting = bridge.quick("receive")
    bridge.change({"redmine": {"api_key": key}})

    assert (1, 1) == (empty.exit_code, waiting.exit_code)
    assert "Redmine does not accept the API key (401)" in empty.stderr
    assert "Second" in bridge.quick("receive").stdout


def test_mailboxes_after_receive(bridge: Product) -> None:
    """`mailboxes` shows what the last `receive` met, with no service running."""
    before = bridge.command_json("mailboxes")
    bridge.quick("receive")
    after = bridge.command_json("mailboxes")
    bridge.support(port=free_port())
    bridge.quick("receive")
    failing = bridge.command_json("mailboxes")

    assert ["not read yet", "ok", "error"] == [lines[0]["state"] for lines in (before, after, failing)]
    assert "Connection refused" in failing[0]["error"]


def test_dry_run(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy) -> None:
    """`receive --dry-run` tells what would be done, and writes nothing: no file, no flag, no folder, no issue."""
    bridge.change({"redmine": {"url": redmine_proxy.url}})
    mailbox.append(mail("Good", sender=ANNA), mail("Bad", sender=DAVE))
    files, mails = snapshot(bridge.folder), mailbox.contents()
    plans = {value["subject"]: value["plan"] for value in bridge.command_json("receive", "--once", "--dry-run")}

    assert {"Good": "create", "Bad": "refuse"} == plans
    assert files == snapshot(bridge.folder)
    assert [(uid, flags - {"\\Recent"}) for uid, flags, _ in mails] == [
        (uid, flags - {"\\Recent"}) for uid, flags, _ in mailbox.contents()
    ]
    assert ["INBOX"] == mailbox.folders()
    assert [] == redmine.admin.issues(project)
    assert {"GET"} == {line.split(" ", 1)[0] for line in redmine_proxy.requests}


@pytest.mark.fault("N3")
def test_old_mail_is_a_question(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Where the settings do not say whether mail that lies there counts, a pass takes none, and ends with 2."""
    del bridge.values["mailboxes"]["support"]["start_from"]
    bridge.change({})
    mailbox.append(mail("Old", sender=ANNA))
    done = bridge.quick("receive", "--once")

    assert 2 == done.exit_code
    assert "INBOX contains 1 mail, and start_from is not set" in done.stderr
    assert 'start_from = "now"' in done.stderr
    assert [] == redmine.admin.issues(project)
    assert 1 == len(mailbox.contents())


@pytest.mark.fault("N11")
def test_the_dry_run_of_a_first_pass_promises_no_answers(bridge: Product, mailbox: Mailbox) -> None:
    """Mail that lies there the first time gets no automatic answers, and the dry-run promises none."""
    bridge.change({"mailboxes": {"support": {"answers": {"received": True}}}})
    mailbox.append(mail("Old", sender=ANNA))
    said = bridge.quick("receive", "--once", "--dry-run").stdout

    assert "earns the answer" not in said
    assert "1 would become an issue" in said


def test_dry_run_beside_a_store(bridge: Product, mailbox: Mailbox) -> None:
    """Also where there is a store, `receive --dry-run` changes nothing in it."""
    mailbox.append(mail("First", sender=ANNA))
    bridge.receive()
    rows = bridge.rows()
    mailbox.append(mail("Second", sender=ANNA))
    (plan,) = bridge.quick_json("receive", "--once", "--dry-run")

    assert "Second" == plan["subject"]
    assert rows == bridge.rows()


@pytest.fixture
def mixed(bridge: Product, mailbox: Mailbox) -> dict[str, int]:
    """Four mails: done, done, refused, held. Return the ids by subject."""
    mailbox.append(mail("Good one", sender=ANNA), mail("Good two", sender=ANNA), mail("Locked", sender=DAVE))
    bridge.receive()
    bridge.issue(unknown_sender="hold")
    mailbox.append(mail("Held"))
    bridge.receive()
    return {row.subject or "": row.id for row in bridge.rows()}


def test_messages(bridge: Product, mixed: dict[str, int]) -> None:
    """`messages` lists the newest first, and filters by state, mailbox, sender, subject and issue."""

    def subjects(*filters: str) -> list[str]:
        return [value["subject"] for value in bridge.quick_json("messages", *filters)]

    (good,) = bridge.quick_json("messages", "--subject", "good ONE")

    assert ["Held", "Locked", "Good two", "Good one"] == subjects()
    assert ["Held"] == subjects("--limit", "1")
    assert ["Good two", "Good one"] == subjects("--state", "done")
    assert ["Held"] == subjects("--state", "held")
    assert ["Locked"] == subjects("--state", "rejected", "--sender", "DAVE@")
    assert [] == subjects("--mailbox", "other")
    assert ["Good one"] == subjects("--issue", str(good["issue"]))
    assert ["Locked"] == subjects(str(mixed["Locked"]))
    assert good["steps"][-1] == "filed: Processed"


def test_messages_for_people(bridge: Product, mixed: dict[str, int]) -> None:
    """Without --json each mail is a line with its reason below; with its id its whole story is told."""
    listed = bridge.quick("messages").stdout
    story = bridge.quick("messages", str(mixed["Good one"])).stdout

    assert "the Redmine user dave is locked" in listed
    assert "filed: Processed" in story
    assert "issue #" in story


def test_retry(bridge: Product, redmine: Redmine, mailbox: Mailbox, mixed: dict[str, int], project: str) -> None:
    """`messages retry` has a refused or held mail tried again with the next pass; a done one is left alone: exit 1."""
    bridge.issue(unknown_sender="accept")
    bridge.support(senders={"locked": "accept"})
    assert 0 == bridge.quick("messages", "retry", "--dry-run", str(mixed["Locked"])).exit_code
    assert [] == bridge.receive()

    done = bridge.command("messages", "retry", str(mixed["Locked"]), str(mixed["Held"]), str(mixed["Good one"]), "999")
    bridge.receive()
    subjects = sorted(issue["subject"] for issue in redmine.admin.issues(project))

    assert 1 == done.returncode
    assert f"{mixed['Good one']}: not changed: it has already been processed\n" in done.stderr
    assert "999: not changed: this message does not exist\n" in done.stderr
    assert ["Good one", "Good two", "Held", "Locked"] == subjects
    assert 0 == mailbox.count()["INBOX"]


def explained(bridge: Product, folder: Path, raw: bytes, *options: str) -> dict[str, Any]:
    """Given a mail, return what `explain --json` prints of it."""
    file = folder / "one.eml"
    file.write_bytes(raw)
    (value,) = bridge.quick_json("explain", str(file), *options)
    return value


def test_explain(bridge: Product, tmp_path: Path, redmine: Redmine, project: str) -> None:
    """`explain --json` prints exactly the keys that are promised, in their order, and writes nothing."""
    files = snapshot(tmp_path)
    raw = mail("What if", "Hello.\n", sender=ANNA, files={"a.txt": b"content"})
    value = explained(bridge, tmp_path, raw)
    (file,) = value["attachments"]

    assert EXPLAINED == list(value)
    assert ("create", None, project, None) == tuple(value[key] for key in ("plan", "issue", "project", "automatic"))
    assert ("anna@example.com", "What if", "Hello.") == (value["from"], value["subject"], value["text"])
    assert message_id_of(raw) == f"<{value['message_id']}>"
    assert ["name", "content_type", "size", "sha256", "inline"] == list(file)
    assert ("a.txt", 7, False) == (file["name"], file["size"], file["inline"])
    assert files == {path: at for path, at in snapshot(tmp_path).items() if not path.endswith("one.eml")}
    assert [] == redmine.admin.issues(project)


def test_explain_offline(bridge: Product, tmp_path: Path, redmine_proxy: FaultProxy) -> None:
    """`explain --offline` asks nobody and takes a reference to an issue at its word."""
    bridge.change({"redmine": {"url": redmine_proxy.url}})
    value = explained(bridge, tmp_path, mail("Re: [Support - Bug #4711] Help", sender=ANNA), "--offline")

    assert ("note", 4711) == (value["plan"], value["issue"])
    assert 0 == redmine_proxy.connections


def test_explain_online(bridge: Product, tmp_path: Path) -> None:
    """Without --offline a reference to an issue that is not there is not believed."""
    value = explained(bridge, tmp_path, mail("Re: [Support - Bug #999999] Help", sender=ANNA))

    assert ("create", None) == (value["plan"], value["issue"])


def test_explain_knows_the_store(bridge: Product, tmp_path: Path, mailbox: Mailbox) -> None:
    """`explain` knows the mails that were received, so that a reply to one is a note."""
    first = mail("Start", sender=ANNA)
    mailbox.append(first)
    (outcome,) = bridge.receive()
    value = explained(bridge, tmp_path, mail("Re: Start", sender=ANNA, In_Reply_To=message_id_of(first)))

    assert ("note", outcome.issue) == (value["plan"], value["issue"])


@pytest.mark.fault("S3")
def test_brake_and_release(bridge: Product, mailbox: Mailbox) -> None:
    """More new mails than the brake allows stop the mailbox with a line that says what to do; `release` lets it go, and
    says so when nothing has stopped.
    """
    bridge.receive()
    nothing = bridge.quick("mailboxes", "resume", "support")
    assert (1, True) == (nothing.exit_code, "support is not paused" in nothing.stderr)
    bridge.support(max_new_mails=2)
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(4)))
    stopped = bridge.quick("receive", "--once")

    assert 1 == stopped.exit_code
    assert "redmine-mailbridge mailboxes resume support" in stopped.stderr
    assert 4 == mailbox.count()["INBOX"]

    assert 0 == bridge.quick("mailboxes", "resume", "support").exit_code
    assert 4 == len(bridge.receive())


def test_unknown_mailbox(bridge: Product) -> None:
    """A mailbox that is not in the settings is wrong usage, with the name that was probably meant."""
    done = bridge.quick("receive", "--once", "--mailbox", "suport")

    assert (2, 'no active mailbox is called "suport", did you mean "support"?\n') == (done.exit_code, done.stderr)


def test_no_secret_is_printed(bridge: Product, mailbox: Mailbox) -> None:
    """Neither the API key nor a password nor a mail's body stands in any output, also when everything is logged."""
    bridge.change({"log": {"level": "debug", "format": "json"}})
    mailbox.append(mail("Subject", "The secret body.\n", sender=ANNA), mail("Bad", "The secret body.\n", sender=DAVE))
    done = bridge.command("receive", "--once", "--json")
    checked = bridge.command("check")
    said = done.stdout + done.stderr + checked.stdout + checked.stderr

    assert 0 == done.returncode
    for secret in (bridge.values["redmine"]["api_key"], mailbox.password, "The secret body"):
        assert secret not in said
