"""The settings are read again by a page's button, in a process of its own."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
import pytest
import tomlkit

from redmine_mailbridge.web import passwords
from tests.servers.processes import free_port
from tests.unit.web.site import PASSWORD, values


@dataclass(slots=True)
class Served:
    """Pages in a process of their own, and a browser that is logged in."""

    browser: httpx2.Client
    port: int
    _file: Path
    _tree: dict[str, Any]
    _said: IO[str]

    def reload(self, table: str, **values: str) -> None:
        """Change a table of the settings, press *Reload settings*, and wait until the pages are served again."""
        self._tree[table] |= values
        self._file.write_text(tomlkit.dumps(self._tree), "utf-8")
        assert 200 == self.browser.post("/settings/reload").status_code
        self.await_pages()

    def await_pages(self) -> None:
        """Wait until the process says where the pages are."""
        assert f"http://127.0.0.1:{self.port}/" in self._said.readline()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    tree = values(listen=f"127.0.0.1:{port}")
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(tree), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    command = [sys.executable, "-m", "redmine_mailbridge", "admin", "--settings", str(file)]
    url = f"http://127.0.0.1:{port}"
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
        httpx2.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin", "Origin": url}) as browser,
    ):
        try:
            assert process.stdout is not None
            made = Served(browser, port, file, tree, process.stdout)
            made.await_pages()
            browser.post("/login", data={"way": "password", "password": PASSWORD})
            yield made
        finally:
            process.terminate()


@pytest.mark.fault("N12")
def test_the_button_puts_new_settings_in_force(served: Served) -> None:
    """After *Reload settings* the pages are served anew, with what the file says now; the session goes on."""
    assert "not set" in served.browser.get("/settings?q=redmine.mail_from").text
    served.reload("redmine", mail_from="redmine@example.com")
    assert "redmine@example.com" in served.browser.get("/settings?q=redmine.mail_from").text


@pytest.mark.fault("A19-7")
def test_settings_that_cannot_be_served_change_nothing(served: Served) -> None:
    """Where the file names a listener that is taken, *Reload settings* leaves the pages as they are, and the next one
    finds the file mended.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], served.port):
            served.reload("admin", listen=f"127.0.0.1:{port}")
            assert 200 == served.browser.get("/settings").status_code
