"""The running service of a bench, and when a mail of which mailbox was done."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path


class Service:
    """The running service, and when a mail of which mailbox was done."""

    def __init__(self, settings: Path) -> None:
        self.done: dict[str, list[float]] = {}
        self.started = threading.Event()
        self._log = settings.with_name("log.jsonl").open("w")
        command = [sys.executable, "-m", "redmine_mailbridge", "run", "--settings", str(settings)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            now = time.monotonic()
            self._log.write(line)
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "service.started":
                self.started.set()
            if said.get("event") == "mail" and said.get("issue") is not None:
                self.done.setdefault(said["mailbox"], []).append(now)

    def end(self) -> float:
        """Stop it. Return how many seconds that took."""
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(30)
        self._log.close()
        return time.monotonic() - began
