"""Kills `update` hundreds of times while customers reply and agents answer, then counts: `scripts/soak-update`.

Each life is `receive --once`, which ends with the update: replies become notes, agents' notes go out by mail, and a
rule of time makes a note and a reminder wherever the customer has said nothing for two seconds. Some lives leave the
update out, so that the replies wait for the next. It is killed at a boundary or at a random moment. In the end each
reply must be one note, each agent's note one mail, and behind each word of the customer there must be one note and one
reminder of the rule, never two; a mail may come twice only where its sender died between the server's word and the
note of it.
"""

import argparse
import contextlib
import email
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from redmine_mailbridge.side_effects import SideEffect
from tests.crash.letters import Letter, letter
from tests.crash.soak import say
from tests.crash.world import World
from tests.servers import services
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port

EFFECTS = (
    SideEffect.MIRROR, SideEffect.QUEUE_MAIL, SideEffect.SEND_MAIL, SideEffect.RECORD_SENT, SideEffect.ADD_NOTE,
    SideEffect.RECORD_INTENT,
    SideEffect.RECORD_DONE, SideEffect.DEFER, SideEffect.INTEND_RULE, SideEffect.RECORD_RULE,
)  # fmt: skip
TOKEN = re.compile("ans([0-9a-f]{12})")
RULE_WROTE = "The soak's rule asks again."
SETTINGS = """
[outgoing]
host = "127.0.0.1"
port = {port}
security = "none"
username = ""
per_minute = 0
daily_limit = 0
[[rules]]
name = "quiet"
max_issues = 0
when = {{ customer_silent = "2s" }}
then = {{ note = "{note}", private_note = true, mail = "reminder" }}
"""
WITHIN_SENDING = {f"{SideEffect.SEND_MAIL}:after", f"{SideEffect.RECORD_SENT}:before"}


class Sink:
    """An SMTP server that takes everything and keeps the Message-ID and the token ("" without one) of each mail."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content)
        text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
        assert isinstance(text, bytes)
        found = TOKEN.search(text.decode())
        self.taken.append((str(mail["Message-ID"]), found[1] if found else ""))
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
        assert not self.world.command("receive", "--once").wait(300)  # what agents write from now on is mailed

    def run(self) -> None:
        """Talk, and kill, so many times."""
        numbers = [row.created_issue for row in self.world.rows() if row.created_issue is not None]
        agents = [self.world.redmine.api(login) for login in ("bob", "anna")]
        lives = killed = 0
        while killed < self.kills:
            lives += 1
            for _ in range(self.dice.randint(0, 2)):
                who, first = self.dice.choice(self.firsts)
                self.world.deliver([letter("note", sender=who, reply_to=first)])
            for _ in range(self.dice.randint(0, 2)):
                token = secrets.token_hex(6)
                self.answers.append(token)
                values = {"issue": {"notes": f"Please wait, ans{token}."}}
                self.dice.choice(agents).call("PUT", f"/issues/{self.dice.choice(numbers)}.json", values)
            killed += self._one_life()
            if lives % 20 == 0 or killed == self.kills:
                replies = len(self.world.sent["box"]) - len(self.firsts)
                say(f"lives {lives}, kills {killed}/{self.kills}, answers {len(self.answers)}, replies {replies}")

    def _one_life(self) -> bool:
        """One life, perhaps without the update. Return whether it was killed."""
        die = None
        if self.dice.random() < 0.7:
            die = f"{self.dice.choice(EFFECTS)}:{self.dice.choice(('before', 'after'))}:{self.dice.choice((1, 1, 2))}"
        without = ("--no-update",) if self.dice.random() < 0.2 else ()
        victim = self.world.command("receive", "--once", *without, die=die)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.process.wait(15 if die else self.dice.uniform(0.8, 2.5))
        ended = victim.process.poll() is not None
        victim.kill()
        how = victim.last_words.rpartition(":")[0] or ("came to its end" if ended else "random")
        self.deaths[how] += 1
        return how != "came to its end"


def judge(soak: Soak, taken: list[tuple[str, str]]) -> list[str]:
    """Given what the server took, return what is wrong, in words."""
    between, anywhere = sum(soak.deaths[name] for name in WITHIN_SENDING), soak.deaths["random"]
    wrong = soak.world.judge().wrong + judge_rule(soak, {message_id for message_id, _ in taken})
    by_token: dict[str, set[str]] = {}
    for message_id, token in taken:
        if not message_id.startswith("<mb.reminder."):
            by_token.setdefault(token, set()).add(message_id)
    wrong += [f"not mailed: {token}" for token in soak.answers if token not in by_token]
    wrong += [f"mailed under two names: {token}" for token, ids in by_token.items() if len(ids) > 1]
    times = Counter(message_id for message_id, _ in taken)
    twice = {message_id: count for message_id, count in times.items() if count > 1}
    if sum(twice.values()) - len(twice) > between + anywhere:
        wrong.append(f"mailed twice without a death in sending: {twice}")
    say(f"{len(times)} mails, {len(twice)} of them twice")
    say(f"{between} deaths between the server's word and the note of it, {anywhere} at a random moment")
    return wrong


def judge_rule(soak: Soak, taken: set[str]) -> list[str]:
    """Given the Message-IDs that the server took, return what is wrong with the rule's notes and reminders.

    A rule sees only what is there when it looks: several replies between two looks are one reason for it.
    """
    redmine, wrong, notes = soak.world.redmine, [], 0
    reminders = Counter(message_id.split(".")[2] for message_id in taken if message_id.startswith("<mb.reminder."))
    for row in soak.world.rows():
        number = row.created_issue
        if number is None:
            continue
        by_rule, spoke = 0, True  # the issue itself is the customer's first word
        for entry in redmine.admin.issue(number)["journals"]:
            text = entry.get("notes") or ""
            if text != RULE_WROTE:
                spoke = spoke or "tok" in text
                continue
            wrong += [] if spoke else [f"the rule acted twice on #{number}"]
            by_rule, spoke = by_rule + 1, False
        wrong += [f"the rule did not act on #{number}"] if spoke else []
        held_back = soak.world.lines(row.id, "the limit of")
        if reminders[str(number)] + held_back != by_rule:
            wrong.append(
                f"#{number}: {by_rule} notes of the rule, {reminders[str(number)]} reminders, {held_back} held"
            )
        notes += by_rule
    say(f"the rule acted {notes} times, {sum(reminders.values())} reminders came")
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
    world.extra = SETTINGS.format(port=port, note=RULE_WROTE)
    world.box_extra = 'answers = { notes = "public_notes", redmine_users = "mail" }'
    world.write_settings()
    soak = Soak(world, options.kills, random.Random(options.seed))
    soak.begin(160)
    soak.run()
    say(f"{time.monotonic() - began:6.0f} s  no more kills: letting it finish")
    for _ in range(3):
        world.finish(300)
        assert not world.command("receive", "--once").wait(300)
        threading.Event().wait(2.5)  # until the customers have been silent for long enough
    assert not world.command("receive", "--once").wait(300)
    while world.send_answers():
        pass
    for name, count in sorted(soak.deaths.items()):
        say(f"  {name:<24} {count:>4}")
    wrong = judge(soak, sink.taken)
    replies = sum(one.fate == "note" for one in world.sent["box"])
    say(f"{len(soak.answers)} answers, {replies} replies, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    for line in wrong[:40]:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
