"""A real Redmine and Dovecot in which the cases' users and projects are, and a line to change them between cases."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handler.cases import world_of
from tests.servers import redmine, services
from tests.servers.api import Api
from tests.servers.trees import clean_env, entered

SCRIPT = Path(__file__).with_name("world.rb")
PREFIX = "world "


@dataclass
class World:
    """`key` is that of an administrator of its own, as whom the bridge comes; `mail_from` Redmine's address."""

    state: dict[str, Any]
    process: "subprocess.Popen[str]"
    key: str = ""
    mail_from: str = ""

    @classmethod
    @contextmanager
    def of(cls, corpus: Path, folder: Path, version: str) -> "Iterator[World]":
        """Given a corpus, start servers in the folder, lend the world, and end them."""
        directory = folder / "servers"
        state = services.up(version, directory)
        inside = directory / "redmine"
        told = world_of(corpus)
        (inside / "world.json").write_text(json.dumps(told))
        (inside / "world.rb").write_bytes(SCRIPT.read_bytes())
        command = ["env", "-C", "/usr/share/redmine", "ruby", "bin/rails", "runner", "/srv/redmine/world.rb"]
        process = subprocess.Popen(
            entered(Path(state["tree"]), Path(state["dir"]), redmine.USER, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_env(redmine.ENVIRONMENT | {"WORLD": "/srv/redmine/world.json"}),
        )
        world = cls(state, process, mail_from=str(told.get("mail_from") or ""))
        try:
            world.key = str(world._answer()["key"])
            services.restart_redmine(state)  # what puma keeps in memory is of the world before
            yield world
        finally:
            process.terminate()
            process.wait(30)
            services.down(directory, remove=True)

    @property
    def api(self) -> Api:
        """REST as the administrator."""
        return Api(self.state["redmine"]["url"], self.key)

    def login(self, user_id: int) -> str:
        """Given a user's id, return the login."""
        return str(self.api.get(f"/users/{user_id}.json")["user"]["login"])

    def file(self, address: str) -> bytes:
        """Given the address of a file's content, as Redmine tells it, return the content."""
        path = urllib.parse.urlsplit(address).path
        asked = urllib.request.Request(  # noqa: S310 - our own server on loopback
            self.state["redmine"]["url"] + path, headers={"X-Redmine-API-Key": self.key}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - as above
            content: bytes = answer.read()
        return content

    def do(self, command: str, given: Any = None) -> Any:
        """Given a command of world.rb, carry it out and return what it says. Raise RuntimeError with its error."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, given]) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer["result"]

    def reset(self, settings: Mapping[str, Any]) -> None:
        """Make everything as it was at first, but for these settings of Redmine."""
        self.do("reset")
        self.do("settings", dict(settings))

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(PREFIX):
                found: dict[str, Any] = json.loads(line.removeprefix(PREFIX))
                return found
        raise RuntimeError("world.rb has ended")
