"""One round of `scripts/soak-crash`: a world in which mails arrive, connections break and the service dies."""

import contextlib
import random
import subprocess
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from redmine_mailbridge.side_effects import SideEffect
from tests.crash.judge import Verdict
from tests.crash.letters import Letter, batch
from tests.crash.variants import Variant
from tests.crash.world import World
from tests.servers.faults import Fault, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

SELDOM = {
    SideEffect.MAKE_FOLDER,
    SideEffect.SEND_MAIL,
    SideEffect.RECORD_SENT,
    SideEffect.REMOVE_RAW,
    SideEffect.FORGET_RAW,
}
ROUTINE = [effect for effect in SideEffect if effect not in SELDOM]
"""The effects that come up again and again, at which an incarnation can be told to die."""
MAILS = (
    SideEffect.KEEP_RAW, SideEffect.KEEP_ROW, SideEffect.RECORD_STEP, SideEffect.CREATE_USER, SideEffect.UPLOAD,
    SideEffect.RECORD_INTENT,
    SideEffect.CREATE_ISSUE, SideEffect.CREATE_ISSUE, SideEffect.ADD_NOTE, SideEffect.ADD_NOTE,
    SideEffect.ADD_WATCHER, SideEffect.ADD_RELATION,
    SideEffect.RECORD_DONE, SideEffect.DEFER, SideEffect.MOVE, SideEffect.RECORD_FILED,
)  # fmt: skip
"""Those of them on the way of a mail, where it dies most."""
PATIENCE = 8.0
"""Seconds in which it is to come to the boundary, or to its first mail, where it is to die: a busy machine is slow."""
SETTLE = 5.0
"""Seconds; longer than the longest delay, so that what is delayed lands before it is looked for."""
LONGEST_DELAY = 2.5
REDMINE_WORDS = (b"", b"POST /issues.json", b"PUT /issues/", b"POST /uploads.json", b"GET /issues", b"/users")
WRITES = (b"POST /issues.json", b"POST /issues.json", b"PUT /issues/", b"PUT /issues/", b"POST /uploads.json", b"POST")
IMAP_WORDS = (b"", b"FETCH", b"UID MOVE", b"UID MOVE", b"SELECT", b"LIST", b"SEARCH")


@dataclass
class Result:
    """What a round came to. `wrong` says in words what was lost, doubled or wrongly filed."""

    world: str
    mails: int = 0
    kills: int = 0
    cuts: int = 0
    lost: int = 0
    doubled: int = 0
    misfiled: int = 0
    seconds: float = 0.0
    deaths: dict[str, int] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    """The exit codes of the service where it ended by itself."""
    wrong: list[str] = field(default_factory=list)


class Postman(threading.Thread):
    """Delivers mails while the bridge runs and dies: at each kill a few more may go out."""

    def __init__(self, world: World, variant: Variant, mails: int, kills: int, dice: random.Random) -> None:
        super().__init__(name="postman", daemon=True)
        self._world, self._variant = world, variant
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
                    self._waiting = [(name, one) for one in batch(self._variant)]
                name, one = self._waiting.pop(0)
                self._world.deliver([one], name)
                self.delivered += one.copies
        except OSError as error:
            self.failed = error


class Round:
    """A world of one variant on running servers, with three mailboxes, behind two proxies that cut and delay."""

    def __init__(self, directory: Path, redmine: Redmine, variant: Variant, seed: str) -> None:
        directory.mkdir()
        mail = redmine.state["dovecot"]
        self.redmine = FaultProxy(redmine.port, "http")
        self.imap = FaultProxy(mail["imap_port"], "line")
        boxes = {
            name: (Mailbox(mail, f"{name}-{uuid.uuid4().hex[:8]}@{mail['domain']}"), redmine.fresh_project())
            for name in ("sales", "support", "box")
        }
        self.world = World(
            directory, redmine, boxes, redmine_url=self.redmine.url, imap_port=self.imap.port, parallel=2,
            redmine_extra='timeout = "2s"', settle=f"{SETTLE:g}s",
        )  # fmt: skip
        self.world.harden(variant, self.redmine)
        self.variant, self.ahead = variant, variant.ours
        self.dice, self.seed = random.Random(seed), seed
        self.deaths: Counter[str] = Counter()
        self.exits: list[int] = []

    def run(self, kills: int, mails: int) -> Result:
        """Kill and restart it so many times while so many mails arrive; let it finish. Return what it came to."""
        began = time.monotonic()
        postman = Postman(self.world, self.variant, mails, kills, random.Random(f"{self.seed} post"))
        postman.start()
        for number in range(1, kills + 1):
            postman.killed(number)
            self._break_something()
            self._one_life()
        postman.join(120)
        if postman.is_alive() or postman.failed is not None:
            raise RuntimeError(f"the mails could not all be delivered: {postman.failed}")
        for proxy in (self.redmine, self.imap):
            proxy.clear()
            proxy.release()
        self.redmine.wait_idle()  # what was delayed has landed before our clock is right again
        self.world.finish(900)
        return self._result(self.world.judge(), time.monotonic() - began)

    def stop(self) -> None:
        """End the proxies."""
        self.redmine.stop()
        self.imap.stop()

    def _one_life(self) -> None:
        """Start the service and kill it, at a boundary if it comes there in time, else at a random moment.

        One life in ten may end while it starts; the others are let begin to work, however busy the machine is.
        """
        die = None
        if self.dice.random() < 0.7:
            effect = self.dice.choice(MAILS if self.dice.random() < 0.85 else ROUTINE)
            die = f"{effect}:{self.dice.choice(('before', 'after'))}:{self.dice.choice((1, 1, 1, 1, 2))}"
        self._set_clock_back(0.4)
        victim = self.world.command("run", die=die)
        if self.dice.random() < 0.9:
            victim.wait_for_log(b"service.started", 30)
        self._set_clock_back(0.3)
        if die is None:
            victim.wait_for_log(b'"event": "mail"', PATIENCE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.process.wait(self.dice.uniform(0.1, 2.5) if die is None else PATIENCE)
        if victim.process.poll() is not None and not victim.last_words:
            self.exits.append(victim.process.returncode)
            return
        victim.kill()
        self.deaths[victim.last_words.rpartition(":")[0] or "random"] += 1

    def _set_clock_back(self, chance: float) -> None:
        """In a world where that happens, perhaps set the service's clock back by seconds, minutes or an hour."""
        if self.variant.ours and self.dice.random() < chance:
            self.ahead -= self.dice.choice((7.0, 20.0, 60.0, 600.0, 3600.0))
            self.world.set_own_clock(self.ahead)

    def _break_something(self) -> None:
        """Plan what will go wrong in this life, on either connection, or nothing."""
        for proxy, words in ((self.redmine, REDMINE_WORDS), (self.imap, IMAP_WORDS)):
            proxy.clear()
            if self.dice.random() < 0.7:
                said = proxy is self.redmine and self.dice.random() < 0.5
                proxy.plan(self._said() if said else self._cut(words))

    def _cut(self, words: tuple[bytes, ...]) -> Fault:
        """A connection that breaks or is late."""
        where = self.dice.choice(("connect", "request", "sent", "sent", "response", "response"))
        return Fault(
            where,  # type: ignore[arg-type]  # one of its words
            self.dice.choice(("reset", "close", "delay")),  # type: ignore[arg-type]  # likewise
            match=b"" if where == "connect" else self.dice.choice(words),
            after=self.dice.choice((0, 10, 80, 300, 1000)),
            skip=0 if where == "connect" else self.dice.choice((0, 0, 1, 2)),
            seconds=self.dice.uniform(0.2, LONGEST_DELAY),
        )

    def _said(self) -> Fault:
        """An error in answer to a write: a gateway's, while Redmine works on it or has done it, or Redmine's own."""
        write, skip = self.dice.choice(WRITES), self.dice.choice((0, 0, 1, 2))
        if self.dice.random() < 0.5:
            return failing(write, self.dice.choice(("after-save", "after-save", "before-save")), skip)  # type: ignore[arg-type]
        where = self.dice.choice(("sent", "response"))
        return Fault(where, "gateway", write, skip=skip, status=self.dice.choice((502, 504)))  # type: ignore[arg-type]

    def _result(self, verdict: Verdict, seconds: float) -> Result:
        return Result(
            self.variant.name,
            mails=verdict.mails,
            kills=sum(self.deaths.values()),
            cuts=len(self.redmine.fired) + len(self.imap.fired),
            lost=len(verdict.lost),
            doubled=len(verdict.doubled),
            misfiled=len(verdict.misfiled) + len(verdict.misplaced) + len(verdict.files),
            seconds=seconds,
            deaths=dict(self.deaths),
            exits=self.exits,
            wrong=verdict.wrong,
        )
