"""Until when the certificate of a server for outgoing mail is valid is noted by the connection that is made anyway."""

import ssl
import subprocess
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.util.certificates import take_noted
from tests.servers.processes import free_port


def test_the_certificate_of_the_smtp_server(tmp_path: Path) -> None:
    key, certificate = tmp_path / "k", tmp_path / "c"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=smtp -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port(), tls_context=tls)
    server.start()
    take_noted()
    try:
        with SmtpTransport(SmtpConfig("127.0.0.1", server.port, "starttls", ca_file=certificate, timeout=10.0)):
            noted = take_noted()
    finally:
        server.stop()
    assert [f"127.0.0.1:{server.port}"] == list(noted)
    assert 0.0 < (noted[f"127.0.0.1:{server.port}"] - time.time()) / 86_400 <= 2.0
    assert {} == take_noted()
