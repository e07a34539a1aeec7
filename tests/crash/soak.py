"""Kills the bridge hundreds of times while mails arrive and connections break, then counts: `scripts/soak-crash`."""

import argparse
import contextlib
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

from redmine_mailbridge.effects import Effect
from tests.crash.judge import Verdict
from tests.crash.letters import Letter, batch
from tests.crash.world import World
from tests.servers import services
from tests.servers.faults import Fault
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

say = functools.partial(print, flush=True)
SELDOM = {Effect.MAKE_FOLDER, Effect.SEND_MAIL, Effect.RECORD_SENT, Effect.REMOVE_RAW, Effect.FORGET_RAW}
ROUTINE = [effect for effect in Effect if effect not in SELDOM]
"""The effects that come up again and again, at which an incarnation can be told to die."""
SETTLE = 5.0
"""Seconds; longer than the longest delay, so that what is delayed lands before it is looked for."""
LONGEST_DELAY = 2.5
REDMINE_WORDS = (b"", b"POST /issues.json", b"PUT /issues/", b"POST /uploads.json", b"GET /issues", b"/users")
IMAP_WORDS = (b"", b"FETCH", b"UID MOVE", b"UID MOVE", b"SELECT", b"LIST", b"SEARCH")


class Postman(threading.Thread):
    """Delivers mails while the bridge runs and dies: at each kill a few more may go out."""

    def __init__(self, world: World, mails: int, kills: int, dice: random.Random) -> None:
        super().__init__(name="postman", daemon=True)
        self._world = world
        self._names = sorted(world.boxes)
        self._mails, self._kills, self._dice = mails, kills, dice
        self._allowed = threading.Semaphore(0)
        self._waiting: list[tuple[str, Letter]] = []
        self.delivered = 0
        self.failed: Exception | None = None

    def killed(self, number: int) -> None:
        """After so many kills in all, let the mails go out that are due by then."""
        due = self._mails * number // self._kills - self._mails * (number - 1) // self._kills
        for _ in range(due):
            self._allowed.release()

    def run(self) -> None:
        """Deliver until all mails have gone out."""
        try:
            while self.delivered < self._mails:
                self._allowed.acquire()
                if not self._waiting:
                    name = self._dice.choice(self._names)
                    self._waiting = [(name, one) for one in batch()]
                name, one = self._waiting.pop(0)
                self._world.deliver([one], name)
                self.delivered += one.copies
        except OSError as error:
            self.failed = error


class Soak:
    """One run of it."""

    def __init__(self, world: World, redmine: FaultProxy, imap: FaultProxy, kills: int, seed: int) -> None:
        self.world = world
        self.redmine = redmine
        self.imap = imap
        self.kills = kills
        self.dice = random.Random(seed)
        self.deaths: Counter[str] = Counter()
        self.by_itself: list[int] = []
        self.began = time.monotonic()

    def run(self, postman: Postman) -> None:
        """Kill and restart, so many times."""
        postman.start()
        for number in range(1, self.kills + 1):
            postman.killed(number)
            self._break_something()
            self._one_life()
            if number % 25 == 0 or number == self.kills:
                self._say(number, postman)
        postman.join(120)
        if postman.is_alive() or postman.failed is not None:
            raise RuntimeError(f"the mails could not all be delivered: {postman.failed}")
        for proxy in (self.redmine, self.imap):
            proxy.clear()
            proxy.release()

    def _one_life(self) -> None:
        """Start the service and kill it, at a boundary if it comes there in time, else at a random moment.

        One life in ten may end while it starts; the others are let begin to work, however busy the machine is.
        """
        die = None
        if self.dice.random() < 0.7:
            effect, moment = self.dice.choice(ROUTINE), self.dice.choice(("before", "after"))
            die = f"{effect}:{moment}:{self.dice.choice((1, 1, 1, 1, 2))}"
        victim = self.world.command("run", die=die)
        if self.dice.random() < 0.9:
            victim.wait_for_log(b"service.started", 30)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.process.wait(self.dice.uniform(0.1, 2.5))
        if victim.process.poll() is not None and not victim.last_words:
            self.by_itself.append(victim.process.returncode)
            return
        victim.kill()
        self.deaths[victim.last_words.rpartition(":")[0] or "random"] += 1

    def _break_something(self) -> None:
        """Plan what will be cut or delayed in this life, on either connection, or nothing."""
        for proxy, words in ((self.redmine, REDMINE_WORDS), (self.imap, IMAP_WORDS)):
            proxy.clear()
            if self.dice.random() < 0.7:
                proxy.plan(self._fault(words))

    def _fault(self, words: tuple[bytes, ...]) -> Fault:
        where = self.dice.choice(("connect", "request", "sent", "sent", "response", "response"))
        return Fault(
            where,  # type: ignore[arg-type]  # one of its words
            self.dice.choice(("reset", "close", "delay")),  # type: ignore[arg-type]  # likewise
            match=b"" if where == "connect" else self.dice.choice(words),
            after=self.dice.choice((0, 10, 80, 300, 1000)),
            skip=0 if where == "connect" else self.dice.randint(0, 3),
            seconds=self.dice.uniform(0.2, LONGEST_DELAY),
        )

    def _say(self, number: int, postman: Postman) -> None:
        open_mails = sum(1 for row in self.world.rows() if row.filed_at is None)
        say(
            f"{time.monotonic() - self.began:6.0f} s  kills {number}/{self.kills}  mails {postman.delivered}  "
            f"not yet filed {open_mails}  cuts {len(self.redmine.fired) + len(self.imap.fired)}",
        )

    def table(self, verdict: Verdict) -> str:
        """Given what the judge found, return the table."""
        random_kills = self.deaths["random"]
        boundary = sum(self.deaths.values()) - random_kills
        wrong = len(verdict.misfiled) + len(verdict.misplaced) + len(verdict.files)
        cuts = len(self.redmine.fired) + len(self.imap.fired)
        rows = [
            ("mails", f"{verdict.mails}"),
            ("kills", f"{boundary + random_kills} ({boundary} at a boundary, {random_kills} at a random moment)"),
            ("cuts and delays", f"{cuts} ({len(self.redmine.fired)} of Redmine, {len(self.imap.fired)} of IMAP)"),
            ("lost", f"{len(verdict.lost)}"),
            ("doubled", f"{len(verdict.doubled)}"),
            ("wrongly filed", f"{wrong}"),
        ]
        return "\n".join(f"| {name:<15} | {value:<52} |" for name, value in rows)

    def boundaries(self) -> str:
        """How often it was killed where, in columns."""
        names = sorted(name for name in self.deaths if name != "random")
        return "\n".join(f"  {name:<24} {self.deaths[name]:>4}" for name in names)


def main(arguments: list[str] | None = None) -> int:
    """Given arguments, run it. Return the exit code: 1 if a mail was lost, doubled or wrongly filed."""
    options = _options(arguments)
    directory = Path(tempfile.mkdtemp(prefix=f"soak-{os.getpid()}-", dir=_services_root()))
    say(
        f"soak: Redmine {options.redmine}, {options.kills} kills, {options.mails} mails, seed {options.seed}",
    )
    try:
        state = services.up(options.redmine, directory / "servers")
        with (
            FaultProxy(state["redmine"]["port"], "http") as redmine,
            FaultProxy(state["dovecot"]["imap_port"], "line") as imap,
        ):
            return _soak(options, directory, Redmine(state), redmine, imap)
    finally:
        services.down(directory / "servers", remove=True)
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


def _soak(options: argparse.Namespace, directory: Path, redmine: Redmine, front: FaultProxy, imap: FaultProxy) -> int:
    mail = redmine.state["dovecot"]
    boxes = {
        name: (Mailbox(mail, f"{name}-{uuid.uuid4().hex[:8]}@{mail['domain']}"), redmine.fresh_project())
        for name in ("sales", "support", "box")
    }
    world = World(
        directory, redmine, boxes, redmine_url=front.url, imap_port=imap.port, parallel=2,
        redmine_extra='timeout = "2s"', settle=f"{SETTLE:g}s",
    )  # fmt: skip
    soak = Soak(world, front, imap, options.kills, options.seed)
    soak.run(Postman(world, options.mails, options.kills, random.Random(options.seed + 1)))
    say(f"{time.monotonic() - soak.began:6.0f} s  no more kills: letting it finish")
    world.finish(900)
    say(f"{time.monotonic() - soak.began:6.0f} s  finished; judging every mail")
    verdict = world.judge()
    say(soak.boundaries())
    if soak.by_itself:
        say(f"ended by itself {len(soak.by_itself)} times, exit codes {sorted(set(soak.by_itself))}")
    say(soak.table(verdict))
    for line in verdict.wrong[:50]:
        say(line)
    say(f"{time.monotonic() - soak.began:6.0f} s in all")
    return 1 if verdict.wrong else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak-crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how often the service is killed [500]")
    parser.add_argument("--mails", type=int, help="how many mails are delivered meanwhile [three times the kills]")
    parser.add_argument("--redmine", default="6.1", choices=sorted(services.SUITES), help="the Redmine version [6.1]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat a run's choices")
    parser.add_argument("--keep", action="store_true", help="keep the bridge's store and log")
    options = parser.parse_args(arguments)
    options.mails = options.mails or 3 * options.kills
    return options


def _services_root() -> Path:
    root = services.CHECKOUT / ".services"
    root.mkdir(exist_ok=True)
    return root


if __name__ == "__main__":
    sys.exit(main())
