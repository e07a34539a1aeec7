"""A real OpenID provider (panva's oidc-provider, from npm) on loopback, and the person who signs in there."""

import hashlib
import json
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from tests.servers import processes
from tests.servers.trees import Unavailable, cache, locked

SOURCE = Path(__file__).parent / "openid"


class OpenId:
    """A running provider: clients `bridge` (a person signs in) and `robot` (client credentials).

    `asked` names each request that came since `control` emptied the list.
    """

    def __init__(self, process: processes.Process, port: int, known: dict[str, str]) -> None:
        self.process = process
        self.issuer = f"http://127.0.0.1:{port}"
        self.robot_secret = known["robot"]
        self.introspection = f"http://dovecot:{known['dovecot']}@127.0.0.1:{port}/token/introspection"

    def control(self, **changes: Any) -> dict[str, Any]:
        """Given changes (life, rotate, deny, down, account, key, requests), make them. Return the present state."""
        answer = requests.post(f"{self.issuer}/control", data=json.dumps(changes), timeout=10)
        found: dict[str, Any] = answer.json()
        return found

    def reset(self) -> None:
        """As it was at the start, for the next test."""
        self.control(life=3600, rotate=True, deny=False, down=False, account=None, key=None, requests=[])

    @property
    def asked(self) -> list[str]:
        """The requests so far, "METHOD /path"."""
        return list(self.control()["requests"])

    def renewals(self) -> int:
        """How often somebody asked for tokens."""
        return self.asked.count("POST /token")

    def sign_in(self, url: str) -> str:
        """Given the address that a person opens, sign in. Return the address that the browser ends at."""
        with requests.Session() as browser:
            for _ in range(12):
                answer = browser.get(url, allow_redirects=False, timeout=10)
                url = urljoin(url, answer.headers["Location"])
                if not url.startswith(self.issuer):
                    return url
        raise AssertionError("the sign-in does not end")

    def type_code(self, url: str) -> str:
        """Given the address of a device's sign-in, code included, sign in and say yes. Return what the page says."""
        with requests.Session() as browser:
            page = browser.get(url, timeout=10).text
            for _ in range(3):
                fields = dict(re.findall(r'name="([a-z_]{1,20})" value="([^"]{1,200})"', page))
                if "xsrf" not in fields:
                    break
                page = browser.post(f"{self.issuer}/device", data=fields | {"confirm": "yes"}, timeout=10).text
            return page


def installed() -> Path:
    """Return the folder that holds the provider and what it needs, installed once. Raise `Unavailable`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Unavailable("the OpenID provider needs Node.js: apt-get install nodejs npm")
    mark = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(SOURCE.iterdir()))).hexdigest()[:16]
    folder = cache() / f"openid-{mark}"
    with locked(folder):
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(SOURCE, folder)
            done = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise Unavailable(f"npm ci for the OpenID provider: {done.stderr.strip()[-300:]}")
            (folder / "ready").touch()
    return folder


def serve(state: Path) -> OpenId:
    """Given a directory for its log, start a provider. Return it when it answers."""
    folder, port = installed(), processes.free_port()
    known = {"robot": secrets.token_hex(16), "dovecot": secrets.token_hex(16)}
    environment = {"OPENID_SECRETS": json.dumps(known), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    process = processes.start_and_wait(
        "openid", [shutil.which("node") or "node", str(folder / "server.mjs"), str(port)], state / "openid.log",
        environment, ready=lambda: processes.answers(port, "/control"),
    )  # fmt: skip
    return OpenId(process, port, known)
