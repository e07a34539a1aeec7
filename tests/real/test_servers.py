"""The servers themselves: what the other real tests rely on."""

import datetime as dt
import imaplib
import json
import os
import poplib
import ssl
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from tests.servers import clocks, processes, services
from tests.servers.api import Api
from tests.servers.dovecot import Mail
from tests.servers.faults import FAILS_AFTER_SAVE, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real

MAIL = b"From: a@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nGood day.\r\n"


def test_state_json_is_complete(servers: services.State) -> None:
    """state.json says everything that a test or the demo needs, and nobody else can read it."""
    path = Path(servers["dir"]) / "state.json"
    state = json.loads(path.read_text())
    assert 0o600 == path.stat().st_mode & 0o777
    assert {"support", "sales", "secret", "closedproj"} == set(state["redmine"]["projects"])
    assert {"admin", "bridge", "anna", "bob", "carol", "dave"} == set(state["redmine"]["users"])
    assert {"Mail ID", "Requester", "Channel"} == set(state["redmine"]["custom_fields"])
    assert ["New", "In Progress", "Resolved", "Feedback", "Closed", "Rejected"] == list(state["redmine"]["statuses"])
    assert "Normal" == state["redmine"]["default_priority"]
    assert {"redmine", "dovecot"} <= {process["name"] for process in state["processes"]}
    assert state["redmine"]["version"].startswith(state["version"])
    assert ("textile" if state["version"] == "5.0" else "common_mark") == state["redmine"]["text_format"]


def test_a_second_up_is_quick_and_changes_nothing(servers: services.State) -> None:
    """`up` where everything runs returns the same state at once."""
    began = time.monotonic()
    again = services.up(servers["version"], Path(servers["dir"]))
    assert servers["processes"] == again["processes"]
    assert time.monotonic() - began < 1


def test_two_instances_run_side_by_side(servers: services.State, redmine: Redmine, tmp_path: Path) -> None:
    """A second instance of the same tree has its own data, and its end leaves the first one alone."""
    second = services.up(servers["version"], tmp_path / "second")
    try:
        other = Redmine(second)
        mine = other.fresh_project()
        assert other.port != redmine.port
        with pytest.raises(requests.HTTPError, match="404"):
            redmine.admin.get(f"/projects/{mine}.json")
    finally:
        services.down(tmp_path / "second", remove=True)
    assert [] == [p["pid"] for p in second["processes"] if processes.alive(p)]
    assert "admin" == redmine.admin.get("/users/current.json")["user"]["login"]


def test_rest_answers_as_admin_bridge_and_customer(redmine: Redmine) -> None:
    """An administrator sees all users, the bridge sees the private project, a customer only what is public."""
    assert redmine.admin.get("/users.json")["total_count"] >= 5
    with pytest.raises(requests.HTTPError, match="403"):
        redmine.bridge.get("/users.json")
    assert {"support", "secret"} <= {p["identifier"] for p in redmine.bridge.get("/projects.json")["projects"]}
    assert "secret" not in {p["identifier"] for p in redmine.api("carol").get("/projects.json")["projects"]}
    with pytest.raises(requests.HTTPError, match="401"):
        redmine.api("dave").get("/users/current.json")


def test_a_fresh_project_takes_issues_and_notes(redmine: Redmine, project: str) -> None:
    """The bridge can make an issue with the marker field in a new project, move it to any status, and find it again."""
    marker = {"id": redmine.seed["custom_fields"]["Mail ID"], "value": "m-1"}
    issue = {"project_id": project, "subject": "One", "custom_fields": [marker]}
    number = redmine.bridge.call("POST", "/issues.json", {"issue": issue})["issue"]["id"]
    closed = {"notes": "Thanks.", "status_id": redmine.seed["statuses"]["Closed"]}
    redmine.bridge.call("PUT", f"/issues/{number}.json", {"issue": closed})
    found = redmine.admin.issues(project, **{f"cf_{marker['id']}": "m-1"})
    assert [(number, "Closed")] == [(i["id"], i["status"]["name"]) for i in found]
    assert ["Thanks."] == redmine.admin.notes(number)


def test_delivered_and_appended_mail_is_seen(mailbox: Mailbox) -> None:
    """Mail handed over by LMTP and mail appended by IMAP lie in the inbox, the appended one byte for byte."""
    mailbox.deliver(MAIL)
    mailbox.append(MAIL)
    first, second = mailbox.mails()
    assert first.endswith(MAIL)
    assert MAIL == second
    mailbox.create("Processed")
    assert {"INBOX": 2, "Processed": 0} == mailbox.count()


def test_a_full_mailbox_refuses(small_mailbox: Mailbox) -> None:
    """A mailbox with a quota says OVERQUOTA when it is full."""
    with pytest.raises(OSError, match="OVERQUOTA"):
        small_mailbox.append(*[MAIL + b"x" * 20_000 + b"\r\n"] * 4)
    assert 3 == len(small_mailbox.mails())


def test_certificates_are_good_and_checked(dovecot: Mail, mailbox: Mailbox) -> None:
    """IMAPS, STARTTLS and POP3S show a certificate that the run's own authority signed, and no other accepts."""
    trusting = ssl.create_default_context(cafile=dovecot["ca_file"])
    mailbox.append(MAIL)
    with imaplib.IMAP4_SSL("localhost", dovecot["imaps_port"], ssl_context=trusting) as imap:
        imap.login(f"{mailbox.address}*{dovecot['master']['user']}", dovecot["master"]["password"])
        assert [b"1"] == imap.select()[1]
    with imaplib.IMAP4("localhost", dovecot["imap_port"]) as imap:
        assert "OK" == imap.starttls(trusting)[0]
    pop = poplib.POP3_SSL("localhost", dovecot["pop3s_port"], context=trusting)
    pop.user(mailbox.address)
    pop.pass_(dovecot["password"])
    assert 1 == pop.stat()[0]
    pop.quit()
    with pytest.raises(ssl.SSLCertVerificationError):
        imaplib.IMAP4_SSL("localhost", dovecot["imaps_port"], ssl_context=ssl.create_default_context())


def test_a_lost_answer_leaves_the_issue_written(redmine: Redmine, project: str, redmine_proxy: FaultProxy) -> None:
    """A POST whose answer is cut off is an issue in Redmine all the same, also when cut before Redmine has answered."""
    through = type(redmine.bridge)(redmine_proxy.url, redmine.bridge.key)
    redmine_proxy.plan(Fault("response", match=b"POST /issues.json"), Fault("sent", match=b"POST /issues.json"))
    for subject in ("answered", "sent"):
        with pytest.raises(requests.ConnectionError):
            through.call("POST", "/issues.json", {"issue": {"project_id": project, "subject": subject}})
    redmine_proxy.wait_fired(2)
    processes.wait_until(lambda: len(redmine.admin.issues(project)) == 2, "both issues are there", 20)
    assert ["answered", "sent"] == [issue["subject"] for issue in redmine.admin.issues(project)]
    assert ["POST /issues.json HTTP/1.1"] * 2 == redmine_proxy.requests


@pytest.mark.parametrize("where", ["sent", "response"])
@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_answers_in_place_of_redmine(
    redmine: Redmine, project: str, redmine_proxy: FaultProxy, where: str, status: int
) -> None:
    """A POST that Redmine carries out can be answered with a gateway's 502 or 504 and its HTML."""
    redmine_proxy.plan(Fault(where, "gateway", match=b"POST /issues.json", status=status))  # type: ignore[arg-type]
    with pytest.raises(requests.HTTPError, match=rf"{status} <html>") as caught:
        post_issue(redmine, redmine_proxy, project, "One")
    assert "nginx/1.22.1" == caught.value.response.headers["Server"]
    processes.wait_until(lambda: redmine.admin.issues(project) != [], "the issue is there", 20)
    post_issue(redmine, redmine_proxy, project, "Two")
    assert ["One", "Two"] == [issue["subject"] for issue in redmine.admin.issues(project)]


def test_redmine_fails_after_the_save_or_before_it_where_it_is_told(
    redmine: Redmine, project: str, redmine_proxy: FaultProxy
) -> None:
    """A request told by a header is answered with Redmine's own 500, its issue or note saved or not; no other is."""
    redmine_proxy.plan(failing(b"POST /issues.json"), failing(b"POST /issues.json", "before-save"))
    for subject in ("saved", "not saved"):
        with pytest.raises(requests.HTTPError, match="500"):
            post_issue(redmine, redmine_proxy, project, subject)
    post_issue(redmine, redmine_proxy, project, "as ever")
    assert ["saved", "as ever"] == [issue["subject"] for issue in redmine.admin.issues(project)]
    number = redmine.admin.issues(project)[0]["id"]
    redmine_proxy.plan(failing(b"PUT /issues/"))
    through = Api(redmine_proxy.url, redmine.bridge.key)
    with pytest.raises(requests.HTTPError, match="500"):
        through.call("PUT", f"/issues/{number}.json", {"issue": {"notes": "saved"}})
    through.call("PUT", f"/issues/{number}.json", {"issue": {"notes": "as ever"}})
    assert ["saved", "as ever"] == redmine.admin.notes(number)


def test_redmine_fails_after_the_save_of_a_text_with_a_word(redmine: Redmine, project: str) -> None:
    """An issue or a note with that word is saved, and the request answered with a 500, each time."""
    payload = {"issue": {"project_id": project, "subject": "One", "description": f"So {FAILS_AFTER_SAVE} it is"}}
    with pytest.raises(requests.HTTPError, match="500"):
        redmine.bridge.call("POST", "/issues.json", payload)
    (issue,) = redmine.admin.issues(project)
    for _ in range(2):
        with pytest.raises(requests.HTTPError, match="500"):
            redmine.bridge.call("PUT", f"/issues/{issue['id']}.json", {"issue": {"notes": FAILS_AFTER_SAVE}})
    assert [FAILS_AFTER_SAVE] * 2 == redmine.admin.notes(issue["id"])
    with pytest.raises(requests.HTTPError, match="422"):
        redmine.bridge.call("POST", "/issues.json", {"issue": payload["issue"] | {"subject": ""}})


def test_the_clock_of_redmine_is_set_while_it_runs(clocked_redmine: Redmine, redmine: Redmine, project: str) -> None:
    """A Redmine with a clock of its own writes times of that clock, hours or a day off; the other one does not."""
    offsets = [3600, -3600, 86400, 0]
    for ahead in offsets:
        clocked_redmine.set_clock(ahead)
        post_issue(clocked_redmine, None, project, f"{ahead}")
    post_issue(redmine, None, project, "0")
    made = {issue["subject"]: age(issue["created_on"]) for issue in redmine.admin.issues(project)}
    assert {f"{ahead}": ahead for ahead in offsets} == {name: round(seconds, -2) for name, seconds in made.items()}


def test_a_proxy_has_a_clock_of_its_own(redmine: Redmine, redmine_proxy: FaultProxy) -> None:
    """Where the proxy adds Date lines, each answer bears one, of its clock; without, Redmine says no time."""
    through = requests.Session()
    assert "Date" not in through.get(f"{redmine_proxy.url}/issues.json").headers
    for ahead in (3600, -3600):
        redmine_proxy.ahead = ahead
        said = parsedate_to_datetime(through.get(f"{redmine_proxy.url}/issues.json").headers["Date"])
        assert ahead == round(said.timestamp() - time.time(), -1)


def test_a_process_of_ours_has_a_clock_that_is_set(tmp_path: Path) -> None:
    """A Python that is started with these variables sees the time that was set, and its steady clock goes on."""
    file = tmp_path / "clock"
    words = "import time; input(); print(time.time()); print(time.monotonic()); input(); print(time.time())"
    clocks.set_ahead(file, 3600)
    process = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env=os.environ | clocks.variables(clocks.host_library(), file),
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        assert 3600 == round(float(process.stdout.readline()) - time.time(), -1)
        assert 0 == round(float(process.stdout.readline()) - time.monotonic(), -1)
        clocks.set_ahead(file, -86400)
        process.stdin.write("\n")
        assert -86400 == round(float(process.stdout.readline()) - time.time(), -1)


def post_issue(redmine: Redmine, proxy: FaultProxy | None, project: str, subject: str) -> None:
    """Make an issue as the bridge, through the proxy if there is one."""
    through = Api(proxy.url if proxy else redmine.url, redmine.bridge.key)
    through.call("POST", "/issues.json", {"issue": {"project_id": project, "subject": subject}})


def age(created_on: str) -> float:
    """Given a time as Redmine shows it, return how many seconds it is ahead of ours."""
    return dt.datetime.fromisoformat(created_on).timestamp() - time.time()


def test_a_move_whose_answer_is_lost(mailbox: Mailbox, imap_proxy: FaultProxy) -> None:
    """A UID MOVE whose answer is cut off has moved the mail."""
    mailbox.append(MAIL)
    mailbox.create("Processed")
    imap_proxy.plan(Fault("response", match=b"UID MOVE"))
    imap = imaplib.IMAP4("127.0.0.1", imap_proxy.port)
    imap.login(mailbox.address, mailbox.password)
    imap.select()
    with pytest.raises((imaplib.IMAP4.abort, ConnectionError)):
        imap.uid("MOVE", "1", "Processed")
    imap.shutdown()
    assert {"INBOX": 0, "Processed": 1} == mailbox.count()


def test_redmine_stops_and_comes_back(servers: services.State, tmp_path: Path) -> None:
    """A Redmine that is ended refuses connections and comes back on its port with its data, and another clock."""
    state = services.up(servers["version"], tmp_path / "own")
    try:
        redmine = Redmine(state)
        made = redmine.fresh_project()
        redmine.stop()
        with pytest.raises(requests.ConnectionError):
            redmine.admin.get("/users/current.json")
        services.restart_redmine(state, ahead=-3600)
        assert made == redmine.admin.get(f"/projects/{made}.json")["project"]["identifier"]
        post_issue(redmine, None, made, "One")
        assert [-3600] == [round(age(issue["created_on"]), -2) for issue in redmine.admin.issues(made)]
    finally:
        services.down(tmp_path / "own", remove=True)
