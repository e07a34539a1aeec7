"""`check` on real servers: what works is said, and what does not is said in the server's own words."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.servers import server_checks
from tests.product import Product, box_values, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key."""
    return product(tmp_path, redmine, mailbox, project)


def found(bridge: Product) -> list[Check]:
    """What `check` asks of servers finds."""
    return list(server_checks(bridge.settings()))


def failures(bridge: Product) -> list[str]:
    """The failed checks, as one line each."""
    return [f"{check.name}: {check.words}" for check in found(bridge) if check.ok is False]


def only(lines: list[str]) -> str:
    """Given lines, return the only one."""
    assert 1 == len(lines), lines
    return lines[0]


def test_all_well(bridge: Product, mailbox: Mailbox) -> None:
    """Where everything works `check` says so for each server, folder and right, ends with 0, and writes nothing."""
    mailbox.append(b"Subject: one\n\ntext\n")
    done = bridge.command("check", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    said = {line["name"].removeprefix("mailbox support: "): line["words"] for line in lines}

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "1 message, writable" == said["folder INBOX"]
    assert "does not exist yet: will be created" == said["success folder Processed"]
    assert "MOVE: one atomic step" == said["filing"]
    assert said["greeting"].startswith("* OK [CAPABILITY ")
    assert {"IMAP4REV1", "IDLE", "UIDPLUS"} <= set(said["capabilities"].split())
    assert f"127.0.0.1:{mailbox.server['imap_port']} is open" == said["port"]
    assert "127.0.0.1" == said["name"]
    assert said["login"].endswith("by SCRAM-SHA-256")
    assert said["redmine"].endswith("the key belongs to admin")
    assert ["INBOX"] == mailbox.folders()
    assert not any("\\Seen" in flags for _, flags, _ in mailbox.contents())
    assert not (bridge.folder / "mailbridge.db").exists()


def test_tls(bridge: Product, mailbox: Mailbox) -> None:
    """Over TLS `check` names its version and for how many days the certificate is good."""
    bridge.support(
        host="localhost", port=mailbox.server["imaps_port"], security="tls", ca_file=mailbox.server["ca_file"]
    )
    words = next(check.words for check in found(bridge) if check.name == "mailbox support: connection")

    assert "TLSv1." in words
    assert "certificate valid for" in words


def test_refused_certificate(bridge: Product, mailbox: Mailbox) -> None:
    """A certificate of an unknown authority fails with OpenSSL's words, and the advice to name the authority."""
    bridge.support(host="localhost", port=mailbox.server["imaps_port"], security="tls")
    line = only(failures(bridge))

    assert "the server's certificate is not accepted" in line
    assert "Give ca_file" in line


def test_tls_on_a_plain_port(bridge: Product, mailbox: Mailbox) -> None:
    """TLS spoken to a port that has none fails, and the advice names STARTTLS."""
    bridge.support(host="localhost", security="tls")

    assert "starttls" in only(failures(bridge))


def test_wrong_password(bridge: Product) -> None:
    """A wrong password fails with the server's words, and the password is not among them."""
    bridge.support(password="not-the-password")
    line = only(failures(bridge))

    assert line.startswith("mailbox support: login: ")
    assert "[AUTHENTICATIONFAILED] Authentication failed." in line
    assert "not-the-password" not in line


def test_wrong_port(bridge: Product) -> None:
    """A port where nobody listens is told as what it is."""
    bridge.support(port=free_port())

    assert "Connection refused\nNothing listens there" in only(failures(bridge))


def test_wrong_host(bridge: Product) -> None:
    """A host that has no address fails with the resolver's words."""
    bridge.support(host="mail.mailbridge.invalid", security="starttls")

    assert "mail.mailbridge.invalid:" in only(failures(bridge))


def test_missing_folder(bridge: Product, mailbox: Mailbox) -> None:
    """A folder that is not there fails with the server's words and the name that was probably meant."""
    mailbox.create("Tickets")
    bridge.support(folders=["INBOX", "Tikets"])
    line = only(failures(bridge))

    assert line.startswith("mailbox support: folder Tikets: ")
    assert "did you mean 'Tickets'" in line
    assert "Mailbox doesn't exist: Tikets" in line


def test_wrong_key(bridge: Product) -> None:
    """A wrong key fails as such, also where Redmine would show strangers its public projects."""
    bridge.change({"redmine": {"api_key": "0" * 40}})

    assert "401" in only(failures(bridge))


def test_redmine_away(bridge: Product) -> None:
    """A Redmine that is away fails once, and the mailbox is looked at all the same."""
    bridge.change({"redmine": {"url": f"http://127.0.0.1:{free_port()}"}})

    assert "Connection refused" in only(failures(bridge))
    assert "mailbox support: filing" in [check.name for check in found(bridge)]


def test_not_a_redmine(bridge: Product, redmine: Redmine) -> None:
    """An address where something else answers is told as that."""
    bridge.change({"redmine": {"url": redmine.url + "/projects"}})

    assert only(failures(bridge)).startswith("redmine: ")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"tracker": "Suport"}, 'tracker "Suport" does not exist in project {p}, did you mean "Support"?'),
        ({"priority": "Hihg"}, 'priority "Hihg" does not exist, did you mean "High"?'),
        ({"status": "Nwe"}, 'status "Nwe" does not exist, did you mean "New"?'),
        ({"reopen_status": "Nwe"}, 'reopen_status: status "Nwe" does not exist, did you mean "New"?'),
        ({"category": "Hardware"}, 'category "Hardware" does not exist in project {p}'),
        ({"version": "1.0"}, 'version "1.0" does not exist in project {p}'),
        ({"requester_field": "Requestor"}, 'custom field "Requestor" does not exist in project {p}, did you mean "Req'),
        (
            {"assignee": "carol"},
            'assignee "carol" does not exist among the possible assignees in project {p}',
        ),
        ({"assignee": "round-robin: Suport team"}, 'group "Suport team" does not exist, did you mean "Support team"?'),
        ({"priority_by_importance": {"high": "Urgnt"}}, 'priority "Urgnt" does not exist, did you mean "Urgent"?'),
    ],
)
def test_unknown_name(bridge: Product, project: str, values: dict[str, Any], line: str) -> None:
    """A name that Redmine does not know fails, with the one that was probably meant."""
    bridge.issue(**values)

    assert line.format(p=project) in only(failures(bridge))


def test_known_names(bridge: Product, redmine: Redmine, project: str) -> None:
    """Names in any case, ids, logins, addresses, names of people and groups are all understood."""
    seed = redmine.seed
    redmine.admin.call("POST", f"/projects/{project}/issue_categories.json", {"issue_category": {"name": "Hardware"}})
    bridge.issue(
        tracker=str(seed["trackers"]["Support"]), priority="HIGH", status="new", category="hardware", assignee="anna",
        requester_field="requester", custom_fields={"Channel": "mail"},
    )  # fmt: skip
    rules = [
        {"name": "one", "subject": "x", "assignee": "bob@example.com", "watchers": ["carol"]},
        {"name": "two", "subject": "y", "assignee": "Anna Agent", "project": "sales"},
    ]
    bridge.support(rules=rules)

    assert [] == failures(bridge)


@pytest.mark.parametrize(
    ("project_name", "words"),
    [
        ("suport", 'no project is called "suport", or the bridge\'s user cannot see it, did you mean "support"?'),
        ("closedproj", "closedproj is closed or archived"),
    ],
)
def test_unusable_project(bridge: Product, project_name: str, words: str) -> None:
    """A project that is not there, or takes no issues, fails."""
    bridge.issue(project=project_name)

    assert words in only(failures(bridge))


def test_project_without_issue_tracking(bridge: Product, redmine: Redmine, project: str) -> None:
    """A project without the module Issue tracking fails."""
    redmine.admin.call("PUT", f"/projects/{project}.json", {"project": {"enabled_module_names": ["wiki"]}})

    assert "does not have the module Issue tracking" in only(failures(bridge))


def test_key_without_admin_rights(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A key without admin rights passes, and a note says what it cannot do."""
    bridge = product(tmp_path, redmine, mailbox, project, login="bridge")
    notes = [check.words for check in found(bridge) if check.ok is None]

    assert [] == failures(bridge)
    assert any("the bridge's own user creates the issues" in words for words in notes)


def test_key_without_permissions(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """A key whose user may not do what the bridge does fails by the name of each permission."""
    bridge = product(tmp_path, redmine, mailbox, project, login="carol")
    bridge.issue(private=True, unknown_sender="create")
    lines = failures(bridge)

    assert any("lacks the permission set_issues_private" in line for line in lines)
    assert any("unknown_sender" in line and "administrator's key" in line for line in lines)


def test_address_of_a_user(bridge: Product) -> None:
    """A mailbox whose address is also a Redmine user's is warned of a loop."""
    bridge.support(aliases=["Anna@Example.com"])
    note = next(check for check in found(bridge) if check.name == "mailbox support: loop")

    assert note.ok is None
    assert "also the address of the Redmine user anna" in note.words


def test_marker_field(bridge: Product) -> None:
    """The marker field must be a text; another format, or no such field, fails."""
    bridge.change({"redmine": {"marker_field": "Mail ID"}})
    assert [] == failures(bridge)

    bridge.change({"redmine": {"marker_field": "Channel"}})
    assert "its format is list, not text" in failures(bridge)[0]

    bridge.change({"redmine": {"marker_field": "Marker"}})
    assert 'no issue custom field is called "Marker"' in only(failures(bridge))


def test_text_format(bridge: Product, redmine: Redmine) -> None:
    """Where Redmine's help page tells the text formatting, another one in the settings fails."""
    other = "textile" if redmine.text_format == "common_mark" else "common_mark"
    bridge.change({"redmine": {"text_format": other}})
    if redmine.version.startswith("5."):
        assert [] == failures(bridge)
    else:
        assert f"Redmine has {redmine.text_format}, but the settings say {other}" in only(failures(bridge))


def test_one_bad_mailbox(bridge: Product, mailbox: Mailbox, project: str) -> None:
    """A mailbox that fails does not keep the next one from being looked at; --mailbox leaves it out."""
    other = box_values(mailbox, project, port=free_port()) | {"address": "sales@example.com"}
    bridge.change({"mailboxes": {"another": other}})
    bridge.support(folders=["INBOX"])

    assert 1 == len(failures(bridge))
    assert 1 == bridge.quick("check").exit_code
    assert 0 == bridge.quick("check", "--mailbox", "support").exit_code
    assert 2 == bridge.quick("check", "--mailbox", "suport").exit_code


def test_slow_server(bridge: Product, imap_proxy: FaultProxy) -> None:
    """A server that says nothing is given up after the time-out, and told as that."""
    imap_proxy.plan(Fault("connect", "stall"))
    bridge.support(port=imap_proxy.port, timeout="1s")

    assert "no answer in time" in only(failures(bridge))


def test_names_at_the_start(bridge: Product, mailbox: Mailbox) -> None:
    """`receive` says an unknown name before the first mail is read, and the mail of an unknown project waits."""
    bridge.issue(project="suport")
    mailbox.append(b"From: a@example.net\nSubject: one\n\ntext\n")
    done = bridge.command("receive", "--once")

    assert 'no project is called "suport"' in done.stderr
    assert 1 == mailbox.count()["INBOX"]
    assert "paused because its settings do not fit Redmine" in done.stderr
    assert ["stored"] == [row.state.value for row in bridge.rows()]
    assert any("mailbox-paused support: since" in line for line in failures(bridge))


class Relay:
    """An SMTP server that hands every mail to Dovecot over LMTP, or refuses it with `words`."""

    def __init__(self, box: Mailbox, words: str = "") -> None:
        self.box = box
        self.words = words
        self.mails: list[bytes] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.words:
            return self.words
        content = envelope.content or b""
        self.mails.append(content if isinstance(content, bytes) else content.encode())
        self.box.deliver(self.mails[-1])
        return "250 2.0.0 queued"


@contextlib.contextmanager
def relayed(bridge: Product, relay: Relay) -> Iterator[None]:
    """Let the bridge send by this relay."""
    port = free_port()
    controller = Controller(relay, "127.0.0.1", port)
    controller.start()
    bridge.support(outgoing={"host": "127.0.0.1", "port": port, "security": "none", "username": ""})
    try:
        yield
    finally:
        controller.stop()


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_mail_to_ourselves(bridge: Product, mailbox: Mailbox, protocol: str) -> None:
    """`check --send-test` sends a mail, sees it in the mailbox, takes it away again, and nothing else."""
    mailbox.append(b"Subject: one\n\ntext\n")
    bridge.support(protocol=protocol, port=mailbox.server["imap_port" if protocol == "imap" else "pop3_port"])
    relay = Relay(mailbox)
    with relayed(bridge, relay):
        done = bridge.quick("check", "--send-test", "--json")
    said = {line["name"]: line["words"] for line in map(json.loads, done.stdout.splitlines())}

    assert 0 == done.exit_code, done.output
    assert f"to {mailbox.address}: accepted by the server" in said["mailbox support: test message: sent"]
    assert said["mailbox support: test message: seen"].startswith("in INBOX, ")
    assert "deleted" == said["mailbox support: test message: removed"]
    assert 1 == len(relay.mails)
    assert [b"Subject: one"] == [mail.splitlines()[0] for mail in mailbox.mails()]


def test_a_mail_to_ourselves_makes_no_issue(bridge: Product, mailbox: Mailbox) -> None:
    """A bridge that runs meanwhile leaves the test mail alone, and it is found where it was filed."""
    relay = Relay(mailbox)
    with relayed(bridge, relay):
        bridge.receive()  # from now on there is a store
        done = bridge.quick("check", "--send-test")
        assert 0 == done.exit_code, done.output
        mailbox.deliver(relay.mails[0])
        outcome = only([f"{one.issue} {one.line}" for one in bridge.receive()])

    assert outcome.startswith("None ")
    assert "our own mail" in outcome


def test_a_mail_that_is_refused(bridge: Product, mailbox: Mailbox) -> None:
    """A test mail that is not taken fails in the server's words, with advice."""
    words = "550 5.7.139 SmtpClientAuthentication is disabled for the Mailbox."
    with relayed(bridge, Relay(mailbox, words)):
        line = only([c.words for c in server_checks(bridge.settings(), send_test=True) if c.ok is False])

    assert [words, "Enable Authenticated SMTP fo"] == [line.splitlines()[0], line.splitlines()[1][:28]]


def test_nothing_to_send_by(bridge: Product) -> None:
    """Without a server to send by, the test says so."""
    lines = [check.words for check in server_checks(bridge.settings(), send_test=True) if check.ok is False]

    assert "neither [outgoing] nor this mailbox sets a host" in only(lines)
