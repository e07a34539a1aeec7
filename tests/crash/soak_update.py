"""Kills `update` hundreds of times while customers reply and agents answer, then counts: `scripts/soak-update`.

Each life is `receive --once`, which ends with the update: replies become notes, agents' notes go out by mail. It is
killed at a boundary or at a random moment. In the end each reply must be one note and each note one mail; a mail may
come twice only where its sender died between the server's word and the note of it.
"""

import argparse
import contextlib
import email
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.effects import Effect
from tests.crash.letters import Letter, letter
from tests.crash.soak import say
from tests.crash.world import World
from tests.servers import services
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port

EFFECTS = (
    Effect.MIRROR, Effect.QUEUE_MAIL, Effect.SEND_MAIL, Effect.RECORD_SENT, Effect.ADD_NOTE, Effect.RECORD_INTENT,
    Effect.RECORD_DONE,
)  # fmt: skip
WITHIN_SENDING = {f"{Effect.SEND_MAIL}:after", f"{Effect.RECORD_SENT}:before"}


class Sink:
    """An SMTP server that takes everything and keeps the Message-ID and the token of each mail."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content)
        text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
        assert isinstance(text, bytes)
        token = text.decode().partition("ans")[2][:12]
        self.taken.append((str(mail["Message-ID"]), token))
        return "250 2.0.0 queued"


class Soak:
    """One run of it."""

    def __init__(self, world: World, kills: int, dice: random.Random) -> None:
        self.world, self.kills, self.dice = world, kills, dice
        self.firsts: list[tuple[str, Letter]] = []
        self.answers: list[str] = []
        self.deaths: Counter[str] = Counter()

    def begin(self, issues: int) -> None:
        """Make the issues on which all goes on, each of its own customer: no limit holds back an answer then."""
        self.firsts = [(who, letter(sender=who)) for who in (f"Kim {n} <kim{n}@client.example>" for n in range(issues))]
        self.world.deliver([one for _, one in self.firsts])
        self.world.finish()
        assert not self.world.command("receive", "--once").wait(120)  # what agents write from now on is mailed

    def run(self) -> None:
        """Talk, and kill, so many times."""
        numbers = [row.created_issue for row in self.world.rows() if row.created_issue is not None]
        agents = [self.world.redmine.api(login) for login in ("bob", "anna")]
        for life in range(1, self.kills + 1):
            for _ in range(self.dice.randint(0, 2)):
                who, first = self.dice.choice(self.firsts)
                self.world.deliver([letter("note", sender=who, reply_to=first)])
            for _ in range(self.dice.randint(0, 2)):
                token = secrets.token_hex(6)
                self.answers.append(token)
                values = {"issue": {"notes": f"Please wait, ans{token}."}}
                self.dice.choice(agents).call("PUT", f"/issues/{self.dice.choice(numbers)}.json", values)
            self._one_life()
            if life % 20 == 0 or life == self.kills:
                say(f"kills {life}/{self.kills}, answers {len(self.answers)}, replies {len(self.world.sent['box'])}")

    def _one_life(self) -> None:
        die = None
        if self.dice.random() < 0.7:
            die = f"{self.dice.choice(EFFECTS)}:{self.dice.choice(('before', 'after'))}:{self.dice.choice((1, 1, 2))}"
        victim = self.world.command("receive", "--once", die=die)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.process.wait(15 if die else self.dice.uniform(0.8, 2.5))
        ended = victim.process.poll() is not None
        victim.kill()
        self.deaths[victim.last_words.rpartition(":")[0] or ("came to its end" if ended else "random")] += 1


def judge(soak: Soak, taken: list[tuple[str, str]], deaths_in_sending: int) -> list[str]:
    """Given what the server took, return what is wrong, in words."""
    wrong = soak.world.judge().wrong
    by_token: dict[str, set[str]] = {}
    for message_id, token in taken:
        by_token.setdefault(token, set()).add(message_id)
    wrong += [f"not mailed: {token}" for token in soak.answers if token not in by_token]
    wrong += [f"mailed under two names: {token}" for token, ids in by_token.items() if len(ids) > 1]
    times = Counter(message_id for message_id, _ in taken)
    twice = {message_id: count for message_id, count in times.items() if count > 1}
    if sum(twice.values()) - len(twice) > deaths_in_sending:
        wrong.append(f"mailed twice without a death in sending: {twice}")
    say(f"{len(times)} mails, {len(twice)} of them twice, {deaths_in_sending} deaths where SMTP cannot tell")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Given arguments, run it. Return the exit code: 1 if a note or mail is missing or double."""
    parser = argparse.ArgumentParser(prog="soak-update", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed [200]")
    parser.add_argument("--redmine", default="6.1", choices=sorted(services.SUITES), help="the Redmine version [6.1]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat a run's choices")
    options = parser.parse_args(arguments)
    root = services.CHECKOUT / ".services"
    root.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"soak-{os.getpid()}-", dir=root))
    say(f"soak-update: Redmine {options.redmine}, {options.kills} kills, seed {options.seed}")
    sink, port = Sink(), free_port()
    controller = Controller(sink, "127.0.0.1", port)
    controller.start()
    try:
        return _soak(options, directory, sink, port)
    finally:
        controller.stop()
        services.down(directory / "servers", remove=True)
        shutil.rmtree(directory, ignore_errors=True)


def _soak(options: argparse.Namespace, directory: Path, sink: Sink, port: int) -> int:
    began = time.monotonic()
    redmine = Redmine(services.up(options.redmine, directory / "servers"))
    mail = redmine.state["dovecot"]
    box = Mailbox(mail, f"box-{uuid.uuid4().hex[:8]}@{mail['domain']}")
    world = World(directory, redmine, {"box": (box, redmine.fresh_project())}, settle="1s")
    world.extra = f'[outgoing]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nusername = ""\nper_minute = 0\n'
    world.extra += "daily_limit = 0\n"
    world.box_extra = 'answers = { notes = "public_notes", redmine_users = "mail" }'
    world.write_settings()
    soak = Soak(world, options.kills, random.Random(options.seed))
    soak.begin(80)
    soak.run()
    say(f"{time.monotonic() - began:6.0f} s  no more kills: letting it finish")
    for _ in range(3):
        world.finish(300)
        assert not world.command("receive", "--once").wait(120)
    for _ in range(len(soak.answers) // 50 + 2):  # a batch each
        world.send_answers()
    for name, count in sorted(soak.deaths.items()):
        say(f"  {name:<24} {count:>4}")
    wrong = judge(soak, sink.taken, sum(soak.deaths[name] for name in (*WITHIN_SENDING, "random")))
    replies = sum(one.fate == "note" for one in world.sent["box"])
    say(f"{len(soak.answers)} answers, {replies} replies, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    for line in wrong[:40]:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
