"""What `status` and `health` say while the servers are there, and while one is away."""

import json
import signal
import time
from pathlib import Path

import pytest

from redmine_mailbridge.wiring.store import certificates
from tests.product import Product, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

pytestmark = [pytest.mark.real, pytest.mark.newest]  # the store and the mail server


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Product:
    """The bridge with an administrator's key."""
    return product(tmp_path, redmine, mailbox, project)


def until(bridge: Product, code: int, word: str, seconds: float = 60) -> str:
    """Ask `health` until it ends with this code and names this. Return what it prints."""
    end = time.monotonic() + seconds
    while True:
        done = bridge.command("health")
        if (done.returncode, word in done.stdout) == (code, True):
            return done.stdout
        assert time.monotonic() < end, done.stdout + done.stderr


def listed(bridge: Product) -> dict[str, str]:
    """How bad each condition of `status` is, by key and subject."""
    lines = [json.loads(line) for line in bridge.command("status", "--json").stdout.splitlines()]
    return {f"{line['key']} {line['subject']}".strip(): line["severity"] for line in lines}


def test_a_mailbox_whose_server_is_away(bridge: Product, imap_proxy: FaultProxy) -> None:
    """While its server is away the mailbox is a condition, which turns critical; it disappears when the server is there
    again, and only the end of the service is one then.
    """
    bridge.support(port=imap_proxy.port)
    bridge.change({"admin": {"alert_after": "1s"}})
    assert {"service-not-running": "warning"} == listed(bridge)
    with bridge.service() as service:
        service.wait_for("receive.first_sync")
        until(bridge, 0, "MAILBRIDGE OK - nothing is wrong | critical=0;;;0 warning=0;;;0")
        imap_proxy.refuse()
        printed = until(bridge, 2, "MAILBRIDGE CRITICAL - mailbox-not-read support | critical=1;;;0 warning=0;;;0")
        assert "check --mailbox support" in printed
        assert {"mailbox-not-read support": "critical"} == listed(bridge)
        assert "Mailbox support cannot be read: " in bridge.command("status").stdout
        imap_proxy.accept()
        until(bridge, 0, "nothing is wrong", 120)
        service.signal(signal.SIGTERM)
        assert 0 == service.wait()
    assert {"service-not-running"} == listed(bridge).keys()


def test_the_certificate_of_a_mail_server(bridge: Product, mailbox: Mailbox) -> None:
    """The connection that reads the mailbox notes until when the certificate is valid; an end that comes soon is a
    condition.
    """
    port = mailbox.server["imaps_port"]
    bridge.support(host="localhost", port=port, security="tls", ca_file=mailbox.server["ca_file"])
    with bridge.service() as service, bridge.application() as made:
        seen, end = certificates(made.store), time.monotonic() + 60
        service.wait_for("receive.first_sync")
        while not seen.all():
            assert time.monotonic() < end
            time.sleep(0.2)
        ((server, ends_at),) = seen.all().items()
        assert (f"localhost:{port}", True) == (server, 0 < (ends_at - time.time()) / 86_400 < 900)
        until(bridge, 0, "nothing is wrong")
        seen.note({server: time.time() + 86_400})
    assert "critical" == listed(bridge)[f"certificate-ends localhost:{port}"]
