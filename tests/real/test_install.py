"""The README, done as it stands, on a Debian that has nothing of ours: from the checkout to the first issue."""

import os
import re
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.product import Service, mail
from tests.servers.clean import ROOT, CleanDebian, clean_debian
from tests.servers.dovecot import Mail
from tests.servers.fixtures import NOT_RUN, Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay
from tests.servers.trees import Unavailable

pytestmark = [pytest.mark.real, pytest.mark.newest, pytest.mark.slow, pytest.mark.timeout(600)]

OLD = 150
UNIT = "etc/systemd/system/redmine-mailbridge.service"


@pytest.fixture
def debian(tmp_path: Path) -> CleanDebian:
    try:
        return clean_debian(tmp_path)
    except Unavailable as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{NOT_RUN}{why}")


def commands() -> list[str]:
    """The lines of the README's sections on installing and the first mailbox, in order, without what follows a #."""
    section = (ROOT / "README.md").read_text("utf-8").split("\n## Install\n")[1].split("\n## Daily use\n")[0]
    blocks = re.findall(r"\n *```sh\n(.*?)```", section, flags=re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_as_the_readme_says(debian: CleanDebian, redmine: Redmine, dovecot: Mail, server: Relay, project: str) -> None:
    """The README's lines, run one after the other as root, end with a service that its user can start by the installed
    unit, and that makes an issue of a new mail and none of the 150 that lay in the mailbox.
    """
    mailbox = Mailbox(dovecot, f"desk-{uuid.uuid4().hex[:8]}@firm.invalid")
    mailbox.append(*[mail(f"Old {number}", "x\n") for number in range(OLD)])
    typed = [redmine.url, redmine.admin.key, mailbox.address, "", "127.0.0.1", "none"]
    typed += [str(mailbox.server["imap_port"]), "", mailbox.password, "now", project, "", "", "", "n", "y"]
    typed += ["127.0.0.1", "none", str(server.port), "", "", "", "-", "n"]
    lines = commands()
    assert ["redmine-mailbridge init --service", True] == [
        lines[3],
        "systemctl enable --now redmine-mailbridge" in lines,
    ]
    for line in [one.replace("systemctl enable --now", "systemctl enable") for one in lines]:  # no systemd runs there
        done = debian.run(line, "\n".join([*typed, ""]) if "init" in line else "")
        assert 0 == done.returncode, f"{line}:\n{done.stdout}\n{done.stderr}"
        assert mailbox.password not in done.stdout + done.stderr
    subjects = started(debian, mailbox, redmine, project)

    assert ["The first"] == subjects
    assert {"INBOX": OLD, "Processed": 1} == {name: n for name, n in mailbox.count().items() if n}


def started(debian: CleanDebian, mailbox: Mailbox, redmine: Redmine, project: str) -> list[str]:
    """Start what the installed unit starts, as its user, deliver a mail, and return the subjects of the issues."""
    unit = (debian.root / UNIT).read_text("utf-8")
    values = dict(re.findall(r"^(ExecStart|User|Environment|WorkingDirectory)=(.*)$", unit, flags=re.MULTILINE))
    name, _, value = values["Environment"].partition("=")
    command = ["sh", "-c", f"cd {values['WorkingDirectory']} && exec {values['ExecStart']}"]
    process = subprocess.Popen(
        debian.entered(values["User"], command), env=debian.environment({name: value}),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    service = Service(process)
    try:
        service.wait_for("service.started")
        mailbox.deliver(mail("The first", "Hello.\n", to=mailbox.address))
        service.wait_for("mail")
    finally:
        service.signal(signal.SIGTERM)
        service.end()
    assert 0 == process.returncode
    return [str(one["subject"]) for one in redmine.admin.issues(project)]
