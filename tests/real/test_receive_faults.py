"""What goes wrong on the way ends in one of three outcomes, with a clear line: done, refused for good, or deferred."""

import contextlib
import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.tasks.receive.receiver import PassResult
from redmine_mailbridge.tasks.service.service import receive_once
from tests.product import ANNA, STRANGER, Product, box_values, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge, which looks at once after an unclear request."""
    made = product(tmp_path, redmine, mailbox, project)
    made.change({"redmine": {"settle": "0s"}})
    return made


@pytest.fixture
def answers(redmine: Redmine) -> Iterator[responses.RequestsMock]:
    """Answers in place of Redmine's; what is not named goes through to it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_passthru(redmine.url)
        yield mock


def once(answers: responses.RequestsMock, redmine: Redmine, times: int = 1, **answer: Any) -> None:
    """Given an answer, give it to the first requests that would make an issue; the next ones go through."""
    url = f"{redmine.url}/issues.json"
    for _ in range(times):
        answers.post(url, **answer)
    answers.add(responses.PassthroughResponse(responses.POST, url))


def later(bridge: Product) -> None:
    """As if the pauses were over: make one more pass."""
    with bridge.application() as made:
        for row in bridge.rows():
            if row.state in OPEN:
                made.store.retry(row.id)
        receive_once(made.receivers)


def subjects(redmine: Redmine, project: str) -> list[str]:
    """The subjects of the project's issues, in order."""
    return sorted(issue["subject"] for issue in redmine.admin.issues(project))


def only(bridge: Product) -> StoredMail:
    """The one mail of the store."""
    (row,) = bridge.rows()
    return row


# ---------------------------------------------------------------------- Redmine

AWAY = [
    pytest.param({"status": 401}, "Redmine does not accept the API key (401)", id="401"),
    pytest.param({"status": 429, "headers": {"Retry-After": "7"}}, "429", id="429"),
    pytest.param({"status": 503}, "503", id="503"),
    pytest.param({"status": 302, "headers": {"Location": "/login"}}, "a login page in front", id="login page"),
    pytest.param({"status": 404, "body": "<!DOCTYPE html><p>nginx"}, "HTML instead of JSON", id="404 in HTML"),
    pytest.param({"status": 422, "body": "<html>"}, "HTML instead of JSON", id="422 in HTML"),
]


@pytest.mark.parametrize(("answer", "words"), AWAY)
def test_redmine_is_away(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock,
    answer: dict[str, Any], words: str,
) -> None:  # fmt: skip
    """A response that means that Redmine is unavailable defers the mail; tries do not count, and it stays unseen."""
    once(answers, redmine, **answer)
    mailbox.append(mail("Patience", sender=ANNA))
    (deferred,) = bridge.receive()
    ((_, flags, _),) = mailbox.contents("INBOX")

    assert only(bridge).state in OPEN
    assert 0 == only(bridge).tries
    assert words in deferred.line
    assert "\\Seen" not in flags

    later(bridge)
    assert ["Patience"] == subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 0, "Processed": 1} == mailbox.count()


def test_retry_after(bridge: Product, redmine: Redmine, mailbox: Mailbox, answers: responses.RequestsMock) -> None:
    """The pause that a 429 names is kept: no other mail is sent meanwhile."""
    answers.post(f"{redmine.url}/issues.json", status=429, headers={"Retry-After": "120"})
    bridge.change({"receive": {"workers": 1}})
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(5)))
    began = time.time()
    outcomes = bridge.receive()
    posts = [call for call in answers.calls if call.request.method == "POST"]

    assert 1 == len(posts)
    assert 119 < (outcomes[0].retry_at or 0) - began < 150
    assert 5 == mailbox.count()["INBOX"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 422, "json": {"errors": ["Subject is odd"]}}, "Redmine refused: Subject is odd"),
        ({"status": 404, "body": ""}, "does not exist, or is not visible (404)"),
        ({"status": 403, "body": ""}, "may not add issues"),
        ({"status": 413, "body": ""}, "too large (413)"),
    ],
)
def test_redmine_refuses(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, answers: responses.RequestsMock,
    answer: dict[str, Any], words: str,
) -> None:  # fmt: skip
    """What Redmine refuses of one mail for good goes to the failure folder, with Redmine's words; it takes others."""
    url = f"{redmine.url}/issues.json"
    answers.post(url, match=[lambda request: ("Refused" in str(request.body), "another mail")], **answer)
    others = [lambda request: ("Refused" not in str(request.body), "that mail")]
    answers.add(responses.PassthroughResponse(responses.POST, url, match=others))
    mailbox.append(mail("Refused", sender=ANNA))
    (outcome,) = bridge.receive()

    assert State.REJECTED is outcome.state
    assert words in outcome.line
    assert {"INBOX": 0, "Failed": 1, "Processed": 0} == mailbox.count()


def test_rest_switched_off(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """A REST API that is switched off refuses no mail: all is deferred."""
    off = [answers.add(method, f"{redmine.url}{path}", status=403) for method, path in (
        (responses.POST, "/issues.json"), (responses.GET, "/users/current.json"),
    )]  # fmt: skip
    mailbox.append(mail("Patience", sender=ANNA))
    bridge.receive()
    assert 1 == mailbox.count()["INBOX"]

    for one in off:
        answers.remove(one)
    later(bridge)
    assert ["Patience"] == subjects(redmine, project)


def test_internal_error(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """After a plain 500 the bridge looks, finds nothing, and sends once more, in the same pass."""
    once(answers, redmine, status=500)
    mailbox.append(mail("Twice sent", sender=ANNA))
    bridge.receive()

    assert ["Twice sent"] == subjects(redmine, project)


def test_internal_error_at_a_file(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """After a plain 500 to a file, the file is sent once more in the same pass, and Redmine does not count as away."""
    url = f"{redmine.url}/uploads.json"
    answers.post(url, status=500)
    answers.add(responses.PassthroughResponse(responses.POST, url))
    mailbox.append(mail("With a file", sender=ANNA, files={"a.bin": b"a"}))
    bridge.receive()

    (issue,) = redmine.admin.issues(project)
    assert ["a.bin"] == [file["filename"] for file in redmine.admin.issue(issue["id"])["attachments"]]


def test_a_file_that_redmine_always_fails_on(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """A mail whose file makes Redmine fail each time, while it takes others, is set aside, and holds up no other."""
    bridge.change({"receive": {"max_attempts": 2}})
    answers.post(f"{redmine.url}/uploads.json", status=500)
    mailbox.append(mail("Poison", sender=ANNA, files={"a.bin": b"a"}), mail("Well", sender=ANNA))
    bridge.receive()
    for n in range(5):
        mailbox.append(mail(f"Well {n}", sender=ANNA))
        later(bridge)

    assert ["Well", *(f"Well {n}" for n in range(5))] == sorted(subjects(redmine, project))
    assert {"INBOX": 0, "Failed": 1, "Processed": 6} == mailbox.count()


def test_written_in_spite_of_the_error(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """A 500 after which the issue is there after all leads to no second issue."""

    def write_and_fail(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        values = json.loads(request.body or "{}")
        redmine.api("anna").call("POST", "/issues.json", values)
        return 500, {}, ""

    url = f"{redmine.url}/issues.json"
    answers.add_callback(responses.POST, url, write_and_fail)
    answers.add(responses.PassthroughResponse(responses.POST, url))
    answers.add(responses.PassthroughResponse(responses.POST, url))
    mailbox.append(mail("Once made", sender=ANNA))
    bridge.receive()

    assert ["Once made"] == subjects(redmine, project)
    assert only(bridge).issue == redmine.admin.issues(project)[0]["id"]


def test_html_instead_of_json(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """A page where Redmine should have answered defers the mail; it becomes one issue later."""
    once(answers, redmine, status=200, body="<html><title>Please log in</title>")
    mailbox.append(mail("Patience", sender=ANNA))
    bridge.passes()
    later(bridge)

    assert ["Patience"] == subjects(redmine, project)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("request", "reset", match=b"POST /issues.json", after=200),
        Fault("sent", "reset", match=b"POST /issues.json"),
        Fault("response", "reset", match=b"POST /issues.json", after=100),
        Fault("response", "close", match=b"POST /issues.json", after=300),
        Fault("response", "delay", match=b"POST /issues.json", seconds=3.0),
    ],
    ids=["cut request", "lost answer", "cut answer", "closed answer", "slow"],
)
def test_unclear(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy, fault: Fault
) -> None:
    """A connection that breaks while an issue is made leads to exactly one issue, whichever half got through."""
    bridge.change({"redmine": {"url": redmine_proxy.url, "timeout": "1s", "settle": "1s"}})
    redmine_proxy.plan(fault)
    mailbox.append(mail("Exactly one", sender=ANNA), mail("Exactly one", "Other words.\n", sender=ANNA))
    bridge.receive()
    redmine_proxy.wait_fired()
    for _ in range(20):
        if not mailbox.count()["INBOX"]:
            break
        bridge.receive()

    assert ["Exactly one", "Exactly one"] == subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 0, "Processed": 2} == mailbox.count()


def test_outage(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy) -> None:
    """While Redmine is down mail is fetched and kept, nothing is filed as failed, and all is made up for later."""
    bridge.change({"redmine": {"url": redmine_proxy.url}, "receive": {"max_attempts": 2}})
    redmine_proxy.refuse()
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(3)))
    for _ in range(4):
        later(bridge)

    assert [(State.STORED, 0)] * 3 == [(row.state, row.tries) for row in bridge.rows()]
    assert {"INBOX": 3, "Failed": 0, "Processed": 0} == mailbox.count()
    assert all(row.raw for row in bridge.rows())

    redmine_proxy.accept()
    later(bridge)
    assert ["Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)
    assert 3 == mailbox.count()["Processed"]


def test_one_mail_that_keeps_failing(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, answers: responses.RequestsMock
) -> None:
    """A mail on which Redmine fails again and again is set aside after so many tries, and stops no other."""
    answers.post(
        f"{redmine.url}/issues.json",
        status=500,
        match=[lambda request: ("Poison" in str(request.body), "only the one")],
    )
    bridge.change({"receive": {"max_attempts": 3}})
    mailbox.append(mail("Good 1", sender=ANNA), mail("Poison", sender=ANNA), mail("Good 2", sender=ANNA))
    bridge.receive()
    for n in range(5):
        mailbox.append(mail(f"Later {n}", sender=ANNA))
        later(bridge)
    states = {row.subject: row.state for row in bridge.rows()}

    assert State.FAILED is states.pop("Poison")
    assert {State.DONE} == set(states.values())
    assert {"INBOX": 0, "Failed": 1, "Processed": 7} == mailbox.count()
    assert "Poison" not in subjects(redmine, project)


# ---------------------------------------------------------------------- mail server


def error_of(results: list[PassResult], mailbox: str = "support") -> str:
    """Given the results of a pass, return the line that ended that of a mailbox."""
    (error,) = [result.error for result in results if result.mailbox == mailbox]
    assert error is not None
    return error


def test_one_bad_mailbox(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Mailboxes whose password is wrong, or whose server is away, do not stop another one."""
    wrong = box_values(mailbox, project) | {"password": "wrong", "folders": ["Other"]}
    away = box_values(mailbox, project, port=free_port()) | {"folders": ["Another"]}
    bridge.change({"mailboxes": {"wrong": wrong, "away": away}})
    mailbox.append(mail("Read all the same", sender=ANNA))
    results = bridge.passes()

    assert ["Read all the same"] == subjects(redmine, project)
    assert "[AUTHENTICATIONFAILED]" in error_of(results, "wrong")
    assert "Connection refused" in error_of(results, "away")


def test_dropped_in_mid_fetch(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, imap_proxy: FaultProxy
) -> None:
    """A connection that breaks while mails are fetched ends the pass; the next one goes on, and nothing is doubled."""
    bridge.support(port=imap_proxy.port)
    imap_proxy.plan(Fault("response", "reset", match=b"BODY.PEEK[]", after=2500))
    mailbox.append(*(mail(f"Mail {n}", "x" * 900 + "\n", sender=ANNA) for n in range(6)))
    results = bridge.passes()

    assert "mailbox support" in error_of(results)
    bridge.receive()
    assert [f"Mail {n}" for n in range(6)] == subjects(redmine, project)
    assert 6 == mailbox.count()["Processed"]


def test_dropped_while_filing(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, imap_proxy: FaultProxy
) -> None:
    """A connection that breaks while a mail is moved leads to no second issue, and the mail is filed in the end."""
    bridge.support(port=imap_proxy.port)
    imap_proxy.plan(Fault("request", "reset", match=b"UID MOVE"), Fault("sent", "reset", match=b"UID MOVE"))
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(3)))
    for _ in range(3):
        bridge.passes()

    assert ["Mail 0", "Mail 1", "Mail 2"] == subjects(redmine, project)
    assert {"INBOX": 0, "Failed": 0, "Processed": 3} == mailbox.count()
    assert all(row.filed_at for row in bridge.rows())


def test_folder_gone(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A folder that is not there is named, and the others are read all the same."""
    bridge.support(folders=["Tickets", "INBOX"])
    mailbox.append(mail("In the other", sender=ANNA))

    (result,) = bridge.passes()
    assert (None, True) == (result.error, "no folder 'Tickets'" in result.missing["Tickets"])
    assert ["In the other"] == subjects(redmine, project)


def test_success_folder_removed(bridge: Product, mailbox: Mailbox) -> None:
    """A success folder that somebody removes while the bridge runs is made anew."""
    with bridge.application() as made:
        mailbox.append(mail("One", sender=ANNA))
        receive_once(made.receivers)
        with mailbox.imap() as imap:
            imap.delete("Processed")
        mailbox.append(mail("Two", sender=ANNA))
        receive_once(made.receivers)

    assert {"INBOX": 0, "Failed": 0, "Processed": 1} == mailbox.count()


def test_uidvalidity_changed(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """When a folder's UIDs all mean something else, its mails are recognised and make no second issue."""
    bridge.support(folders=["Tickets"], after_success="keep")
    mailbox.create("Tickets")
    mailbox.append(*(mail(f"Mail {n}", sender=ANNA) for n in range(3)), folder="Tickets")
    bridge.receive()
    with mailbox.imap() as imap:
        imap.rename("Tickets", "Old")
        imap.create("Tickets")
        imap.select("Old")
        imap.copy("1:3", "Tickets")
    mailbox.append(mail("Mail 3", sender=ANNA), folder="Tickets")
    bridge.receive()

    assert [f"Mail {n}" for n in range(4)] == subjects(redmine, project)
    assert {State.DONE} == {row.state for row in bridge.rows()}


def test_bad_certificate(bridge: Product, mailbox: Mailbox) -> None:
    """A certificate that is not trusted ends the pass before a password is sent."""
    bridge.support(host="localhost", port=mailbox.server["imaps_port"], security="tls")
    mailbox.append(mail())

    assert "the server's certificate is not accepted" in error_of(bridge.passes())
    assert 1 == mailbox.count()["INBOX"]


def test_silent_server(bridge: Product, mailbox: Mailbox, imap_proxy: FaultProxy) -> None:
    """A mail server that falls silent is given up after the time-out."""
    bridge.support(port=imap_proxy.port, timeout="1s")
    imap_proxy.plan(Fault("response", "stall", match=b"BODY.PEEK[]"))
    mailbox.append(mail())

    assert "no answer in time" in error_of(bridge.passes())
    assert 1 == mailbox.count()["INBOX"]


# ---------------------------------------------------------------------- the store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    gc.collect()  # a mapped mail holds the disk until it is collected
    subprocess.run(["umount", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Given a file, write into it until there is no room."""
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(file, b"0" * 4096):
            pass
    os.close(file)


def test_disk_full(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, small_disk: Path) -> None:
    """With a full disk nothing is fetched that cannot be kept; with room again every mail becomes its issue."""
    bridge.change({"store": {"url": f"sqlite:///{small_disk}/bridge.db"}})
    bridge.receive()
    ballast = small_disk / "ballast"
    mailbox.append(mail("Large", sender=ANNA, files={"a.txt": b"x" * 300_000}), mail("Small", sender=ANNA))
    fill(ballast)
    results = bridge.command("receive", "--once")

    assert 1 == results.returncode
    assert "full" in results.stderr.lower() or "no space" in results.stderr.lower(), results.stderr
    assert "Traceback" not in results.stderr
    assert {"INBOX": 2, "Failed": 0, "Processed": 0} == mailbox.count()

    ballast.unlink()
    bridge.receive()
    assert ["Large", "Small"] == subjects(redmine, project)
    assert 2 == mailbox.count()["Processed"]


LOCKER = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
    "db.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
)


@pytest.fixture
def locked(bridge: Product) -> Iterator[None]:
    """The store, in use before, is locked by another process."""
    bridge.change({"store": {"url": f"sqlite:///{bridge.folder}/bridge.db?timeout=0.3"}})
    bridge.receive()
    line = [sys.executable, "-c", LOCKER, str(bridge.folder / "bridge.db")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "locked\n" == process.stdout.readline()
        yield
        process.communicate("")


def test_database_locked(bridge: Product, mailbox: Mailbox, locked: None) -> None:
    """A database that another process holds is told as that, and nothing is fetched."""
    mailbox.append(mail())
    done = bridge.command("receive", "--once")

    assert 1 == done.returncode
    assert "the store is locked by another process" in done.stderr
    assert 1 == mailbox.count()["INBOX"]


def test_database_locked_in_between(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A database that is locked after the issue was made leads to no second issue."""
    bridge.change(
        {
            "store": {"url": f"sqlite:///{bridge.folder}/bridge.db?timeout=0.3"},
            "redmine": {"url": redmine_proxy.url, "settle": "1s"},
        }
    )
    mailbox.append(mail("Exactly one", sender=ANNA))
    redmine_proxy.plan(Fault("response", "stall", match=b"POST /issues.json"))
    with bridge.application() as made:
        results: list[PassResult] = []
        working = threading.Thread(target=lambda: results.extend(receive_once(made.receivers)))
        working.start()
        redmine_proxy.wait_fired()
        line = [sys.executable, "-c", LOCKER, str(bridge.folder / "bridge.db")]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            redmine_proxy.release()
            working.join()
            process.communicate("")

    assert "the store is locked by another process" in error_of(results)
    for _ in range(20):
        if not mailbox.count()["INBOX"]:
            break
        bridge.receive()
    assert ["Exactly one"] == subjects(redmine, project)
    assert 1 == mailbox.count()["Processed"]


def test_strangers_mail_during_an_outage_is_not_lost(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A mail that somebody removes from the server while Redmine is unavailable still becomes its issue."""
    bridge.change({"redmine": {"url": redmine_proxy.url}})
    redmine_proxy.refuse()
    mailbox.append(mail("Kept by us", sender=STRANGER))
    bridge.receive()
    with mailbox.imap() as imap:
        imap.select("INBOX")
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
    redmine_proxy.accept()
    later(bridge)

    assert ["Kept by us"] == subjects(redmine, project)
    assert "no longer in INBOX" in (only(bridge).filed_to or "")
