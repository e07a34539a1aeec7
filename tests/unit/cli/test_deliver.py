"""`deliver` as mail servers start it: one process per mail, and what its exit code promises."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.cli.deliver import deliver
from redmine_mailbridge.mailboxes.delivered import drop
from redmine_mailbridge.mailboxes.delivered.preparation import prepare

MAIL = b"From: Anna <anna@example.com>\nTo: support@example.com\nSubject: Printer\n\nIt smokes.\n"
BOX = {"folder": "support@example.com", "addresses": ["help@example.com", "support@example.com"], "max_size": 1_000_000}
SALES = {"folder": "sales@example.com", "addresses": ["sales@example.com"], "max_size": 1_000_000}
READ = {"folder": None, "addresses": ["read@example.com"], "max_size": 1_000_000}
NOBODY = 65534
PLAIN = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "HOME"}}
"""An environment as mail servers give it."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool with three mailboxes, one of which is read from its server."""
    prepare(tmp_path / "spool", {"support": dict(BOX), "sales": dict(SALES), "read": dict(READ)})
    return tmp_path / "spool"


def run(
    spool: Path, *arguments: str, mail: bytes = MAIL, script: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Given the spool, arguments and a mail, run `deliver` in a process of its own; `script` runs in it before."""
    start = "import sys\nsys.argv[0] = 'redmine-mailbridge'\nfrom redmine_mailbridge.cli import start\nstart()"
    command = [sys.executable, "-c", f"{script}\n{start}"] if script else [sys.executable, "-m", "redmine_mailbridge"]
    return subprocess.run(
        [*command, "deliver", "--spool", str(spool), *arguments],
        input=mail, capture_output=True, env=PLAIN | environment, timeout=120, check=False,
    )  # fmt: skip


def mails(spool: Path, folder: str = "support@example.com") -> list[bytes]:
    """The mails that wait in a mailbox."""
    return [path.read_bytes() for path in sorted((spool / folder / "new").iterdir())]


def half(spool: Path, folder: str = "support@example.com") -> int:
    """How many files lie in the folder of mails that are being written."""
    return len(list((spool / folder / "tmp").iterdir()))


def test_a_mail_is_stored_as_it_came(spool: Path) -> None:
    """A mail lies in the spool byte for byte, nothing was printed, and the exit code is 0."""
    done = run(spool, "--mailbox", "support")
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert [MAIL] == mails(spool)
    assert 0 == half(spool)


@pytest.mark.parametrize(
    "mail",
    [
        b"Subject: no end of line",
        b"Subject: x\r\n\r\nCRLF\r\n",
        b"Subject: bare CR\rmore\n\nbody\rbody\n",
        b"Subject: NUL\0\n\n\0\0body\n",
        b"Subject: \xff\xfe\n\n\x80\n",
        b"Subject: x\n\n.\n..\n.dot\nFrom me\n>From me\n>>From you\n",
        b"X-\xe4: 8 bits in a name\n\n",
        b"Received: from a by b\n\tid 1\nReturn-Path: <x@y>\n\nbody\n",
        b"From : a@example.com\n\nan obsolete field\n",
    ],
)
def test_hostile_bytes_stay(spool: Path, mail: bytes) -> None:
    """Whatever bytes a mail has, they are stored unchanged: no line end, dot or >From is converted."""
    assert 0 == run(spool, "--mailbox", "support", mail=mail).returncode
    assert [mail] == mails(spool)


@pytest.mark.parametrize(
    "line", [b"From anna@example.com  Sun Nov 29 08:00:00 2026\n", b">From anna@x Sun\n", b"\r\n\nFrom a\n>From b\n\n"]
)
def test_a_line_of_an_mbox_is_removed(spool: Path, line: bytes) -> None:
    """The line "From " that Postfix and procmail put in front is removed, as it differs with each attempt."""
    assert 0 == run(spool, "--mailbox", "support", mail=line + MAIL).returncode
    assert [MAIL] == mails(spool)


@pytest.mark.parametrize(
    "mail", [b"", b"\n\n", b"hello\n", b"From a@b Sun\n", b"\0\0\0", b" Subject: folded\n", b": x\n"]
)
def test_what_is_no_mail_is_refused(spool: Path, mail: bytes) -> None:
    """Empty input, and text without a header field, end with 65."""
    done = run(spool, "--mailbox", "support", mail=mail)
    assert (65, b"", 1) == (done.returncode, done.stdout, done.stderr.count(b"\n"))
    assert ([], 0) == (mails(spool), half(spool))


def test_a_mail_that_is_too_large_is_refused(spool: Path) -> None:
    """A mail above the limit of the settings ends with 65, whole input read, and leaves nothing behind."""
    limit = 1_000_000
    assert 65 == run(spool, "--mailbox", "support", mail=MAIL + b"x" * limit).returncode
    assert ([], 0) == (mails(spool), half(spool))
    assert 0 == run(spool, "--mailbox", "support", mail=MAIL + b"x" * (limit - len(MAIL))).returncode
    assert [limit] == [len(mail) for mail in mails(spool)]


def test_a_huge_mail_takes_little_memory(spool: Path) -> None:
    """200 MB pass through a process that may use 64 MB of data."""
    prepare(spool, {"support": BOX | {"max_size": 300_000_000}})
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))"
    done = run(spool, "--mailbox", "support", mail=MAIL + b"x" * 200_000_000, script=limit)
    assert (0, b"") == (done.returncode, done.stderr)
    (path,) = (spool / "support@example.com" / "new").iterdir()
    assert len(MAIL) + 200_000_000 == path.stat().st_size


@pytest.mark.parametrize(
    ("recipient", "folder"),
    [
        ("support@example.com", "support@example.com"),
        ("Help@Example.COM", "support@example.com"),
        ("<sales@example.com>", "sales@example.com"),
        ("sales+printer@example.com", "sales@example.com"),
        ('"sales"@example.com', "sales@example.com"),
        (r'"sa\les"@example.com', "sales@example.com"),
        ("sales@example.com.", "sales@example.com"),
    ],
)
def test_the_mailbox_by_recipient(spool: Path, recipient: str, folder: str) -> None:
    """The recipient decides the mailbox by the addresses and aliases of the settings: any case, quoted, subaddress."""
    assert 0 == run(spool, "--to", recipient).returncode
    assert 1 == len(mails(spool, folder))


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"ORIGINAL_RECIPIENT": "sales@example.com", "RECIPIENT": "support@example.com"}, "sales@example.com"),
        ({"ORIGINAL_RECIPIENT": "root@example.com", "RECIPIENT": "sales@example.com"}, "sales@example.com"),
        ({"RECIPIENT": "sales-printer@example.com", "EXTENSION": "printer"}, "sales@example.com"),
        ({"ORIGINAL_RECIPIENT": "", "RECIPIENT": "support@example.com"}, "support@example.com"),
    ],
)
def test_the_mailbox_by_environment(spool: Path, environment: dict[str, str], folder: str) -> None:
    """Without --to, the variables of Postfix and Exim name the recipient, the original one first."""
    assert 0 == run(spool, **environment).returncode
    assert 1 == len(mails(spool, folder))


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (64, ["--unknown"]),
        (64, ["--mailbox"]),
        (64, ["more"]),
        (64, []),
        (67, ["--mailbox", "other"]),
        (67, ["--to", "root@example.com"]),
        (67, ["--to", "supp\nort@example.com"]),
        (67, ["--to", 'a"b@c"@example.com']),
        (77, ["--mailbox", "read"]),
        (77, ["--to", "read@example.com"]),
    ],
)
def test_what_cannot_be_delivered(spool: Path, code: int, arguments: list[str]) -> None:
    """Wrong usage is 64, no mailbox 67, a mailbox that is read from its server 77; one line says why."""
    done = run(spool, *arguments)
    assert (code, b"") == (done.returncode, done.stdout)
    assert (1, True) == (done.stderr.count(b"\n"), done.stderr.startswith(b"redmine-mailbridge deliver: "))
    assert ([], []) == (mails(spool), mails(spool, "sales@example.com"))


@pytest.mark.fault("A43-7")
@pytest.mark.parametrize(
    ("code", "arguments"), [(64, ["--unknown"]), (67, ["--mailbox", "x"]), (77, ["--mailbox", "read"])]
)
def test_a_refused_mail_is_read_to_its_end(spool: Path, code: int, arguments: list[str]) -> None:
    """The server that still writes gets no broken pipe, which some report in place of the exit code."""
    command = [sys.executable, "-m", "redmine_mailbridge", "deliver", "--spool", str(spool), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN) as process:
        assert process.stdin is not None
        for _ in range(40):
            process.stdin.write(MAIL * 1000)
        process.stdin.close()
        assert code == process.wait(timeout=60)


def test_the_envelope(spool: Path) -> None:
    """Sender and recipient stand in front as fields, with the mail's own line ends; the empty sender as <>."""
    assert 0 == run(spool, "--from", "anna@example.com", "--to", "support@example.com").returncode
    assert 0 == run(spool, mail=b"Subject: x\r\n\r\n", SENDER="", RECIPIENT="support@example.com").returncode
    assert (
        0 == run(spool, mail=b"Subject: x\r\n\r\n", SENDER="MAILER-DAEMON", RECIPIENT="support@example.com").returncode
    )
    bounce = b"Return-Path: <>\r\nDelivered-To: support@example.com\r\nSubject: x\r\n\r\n"
    whole = b"Return-Path: <anna@example.com>\nDelivered-To: support@example.com\n" + MAIL
    assert [whole, bounce, bounce] == mails(spool)


def test_an_envelope_that_the_server_wrote_stays(spool: Path) -> None:
    """Fields that the mail server wrote on top are not repeated; below the first Received they are the sender's."""
    top = b"Return-Path: <a@example.com>\nX-Original-To: support@example.com\n"
    below = b"Received: from x by y\nReturn-Path: <forged@example.com>\nDelivered-To: forged@example.com\n" + MAIL
    arguments = ("--from", "a@example.com", "--to", "support@example.com")
    assert 0 == run(spool, *arguments, mail=top + below).returncode
    assert 0 == run(spool, *arguments, mail=below).returncode
    added = b"Return-Path: <a@example.com>\nDelivered-To: support@example.com\n"
    assert [top + below, added + below] == mails(spool)


@pytest.mark.parametrize("sender", ["a@b\nBcc: x@y", "a\r\nb", "a b@c", "<a><b>", "x" * 400, "a\0b"])
def test_an_envelope_adds_no_other_field(spool: Path, sender: str) -> None:
    """A sender with line ends, blanks or brackets is left out: nothing gets into the header that is not an address."""
    child = os.fork()
    if child == 0:  # a NUL byte cannot be in an argument of a process
        os.dup2(_pipe(MAIL), 0)
        os._exit(deliver(["--spool", str(spool), "--mailbox", "support", "--from", sender], {}))
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert [MAIL] == mails(spool)


def _pipe(content: bytes) -> int:
    """The reading end of a pipe with this in it."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


# ---------------------------------------------------------------------- what keeps a mail from being stored


def as_nobody(spool: Path, act: Callable[[], int]) -> int:
    """Given what to do, do it in a process without root's rights. Return its exit code."""
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.dup2(_pipe(MAIL), 0)
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def reachable(spool: Path) -> Iterator[Path]:
    """The spool, in folders that every user may enter."""
    above = [folder for folder in spool.parents if folder.stat().st_uid == os.geteuid() and folder != Path("/")]
    modes = [(folder, folder.stat().st_mode & 0o7777) for folder in above]
    for folder, mode in modes:
        folder.chmod(mode | 0o011)
    yield spool
    for folder, mode in modes:
        folder.chmod(mode)


def test_without_rights(reachable: Path) -> None:
    """A user who may not write into the spool gets 75, so that the mail server keeps the mail."""
    for name in ("tmp", "new"):
        (reachable / "support@example.com" / name).chmod(0o500)
    assert 75 == as_nobody(reachable, lambda: deliver(["--spool", str(reachable), "--mailbox", "support"], {}))
    for name in ("tmp", "new"):
        (reachable / "support@example.com" / name).chmod(0o700)
    assert ([], 0) == (mails(reachable), half(reachable))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_member_of_the_group_may_deliver(reachable: Path) -> None:
    """With a setgid spool, another user delivers with umask 077, and its group can read the mail; the sticky folder
    keeps that user from removing mails of others.
    """
    os.chown(reachable, 0, NOBODY)
    reachable.chmod(0o2755)
    for path in sorted(reachable.iterdir(), reverse=True):
        if path.is_dir():
            for below in path.iterdir():
                below.rmdir()
            path.rmdir()
    prepare(reachable, {"support": dict(BOX)})

    def act() -> int:
        os.umask(0o077)
        return deliver(["--spool", str(reachable), "--mailbox", "support"], {})

    assert 0 == as_nobody(reachable, act)
    (path,) = (reachable / "support@example.com" / "new").iterdir()
    assert (NOBODY, NOBODY, 0o640) == (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o7777)
    assert 0o1770 == path.parent.stat().st_mode & 0o7777
    assert 0 == run(reachable, "--mailbox", "support").returncode
    (own,) = [one for one in path.parent.iterdir() if one != path]

    def steal() -> int:
        try:
            own.unlink()
        except PermissionError:
            return 13
        return 0

    assert 13 == as_nobody(reachable, steal)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_mail_that_the_service_could_not_read_is_not_taken(reachable: Path) -> None:
    """Another user whose mails the service could not read, since neither is of its group, gets 75."""
    for name in ("", "tmp", "new"):
        (reachable / "support@example.com" / name).chmod(0o777)
    assert 75 == as_nobody(reachable, lambda: deliver(["--spool", str(reachable), "--mailbox", "support"], {}))
    assert ([], 0) == (mails(reachable), half(reachable))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_root_delivers_for_the_owner(spool: Path) -> None:
    """A mail that root delivers belongs to the owner of the spool."""
    for path in (spool / "support@example.com").iterdir():
        os.chown(path, NOBODY, NOBODY)
    assert 0 == run(spool, "--mailbox", "support").returncode
    (path,) = (spool / "support@example.com" / "new").iterdir()
    assert (NOBODY, NOBODY) == (path.stat().st_uid, path.stat().st_gid)


def test_a_full_disk(spool: Path) -> None:
    """When the mail cannot be written to its end, 75, one line, and nothing is left."""
    full = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({len(MAIL) - 1}, {len(MAIL) - 1}))"
    done = run(spool, "--mailbox", "support", script=full)
    assert (75, b"", 1) == (done.returncode, done.stdout, done.stderr.count(b"\n"))
    assert str(spool).encode() in done.stderr
    assert ([], 0) == (mails(spool), half(spool))


@pytest.mark.parametrize("damage", ["missing", "no index", "damaged", "not an object", "outside", "no folder", "link"])
def test_a_spool_that_is_not_as_it_should_be(spool: Path, tmp_path: Path, damage: str) -> None:
    """Without a spool, without its index or folders, or with a link in their place, 75, one line, nothing written."""
    index, box = spool / drop.INDEX, spool / "support@example.com"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if damage == "missing":
        spool = tmp_path / "nowhere"
    elif damage == "no index":
        index.unlink()
    elif damage == "damaged":
        index.write_text("{")
    elif damage == "not an object":
        index.write_text("[1]")
    elif damage == "outside":
        index.write_text(json.dumps({"mailboxes": {"support": BOX | {"folder": "../elsewhere"}}}))
    else:
        (box / "new").rmdir()
        if damage == "link":
            (box / "new").symlink_to(elsewhere)
    done = run(spool, "--mailbox", "support")
    assert (75, b"", 1) == (done.returncode, done.stdout, done.stderr.count(b"\n"))
    assert [] == list(elsewhere.iterdir())
    assert b"Traceback" not in done.stderr


def test_nothing_open(spool: Path) -> None:
    """With standard input, output and error closed, `deliver` ends with 75 and stores nothing."""
    command = [sys.executable, "-m", "redmine_mailbridge", "deliver", "--spool", str(spool), "--mailbox", "support"]
    line = " ".join(f"'{word}'" for word in command) + " <&- >&- 2>&-"
    assert 75 == subprocess.run(["/bin/sh", "-c", line], env=PLAIN, check=False, timeout=60).returncode
    assert ([], 0) == (mails(spool), half(spool))


# ---------------------------------------------------------------------- dying, many at once, and what it costs

KILLED = """
import os, signal
real, left = os.{call}, [{number}]
def dying(*arguments, **more):
    left[0] -= 1
    if left[0] == 0 and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **more)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
os.{call} = dying
"""


@pytest.mark.parametrize(
    ("call", "number", "before", "stored"),
    [
        ("write", 1, True, False),
        ("write", 1, False, False),
        ("fsync", 1, True, False),
        ("fsync", 1, False, False),
        ("rename", 1, True, False),
        ("rename", 1, False, True),
        ("fsync", 2, True, True),
        ("fsync", 2, False, True),
    ],
)
def test_killed_at_a_boundary(spool: Path, call: str, number: int, before: bool, stored: bool) -> None:
    """Killed before or after a write, a sync or the move, a mail is in the spool completely or not at all; the mail
    server, which saw no exit code 0, delivers it again.
    """
    script = KILLED.format(call=call, number=number, before=before)
    assert -signal.SIGKILL == run(spool, "--mailbox", "support", script=script).returncode
    assert [MAIL] * stored == mails(spool)
    assert 0 == run(spool, "--mailbox", "support").returncode
    assert [MAIL] * (1 + stored) == mails(spool)


@pytest.mark.fault("A43-4")
def test_interrupted_after_the_move(spool: Path) -> None:
    """Ctrl+C kills as any other signal does: an exit code would say that a mail is not there which is."""
    # whoever starts the tests in the background may have it ignored
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = heard + KILLED.format(call="rename", number=1, before=False).replace("KILL", "INT")
    done = run(spool, "--mailbox", "support", script=script)
    assert (-signal.SIGINT, b"", [MAIL]) == (done.returncode, done.stderr, mails(spool))


BROKEN = """
import os
real, calls = os.fsync, [0]
def failing(descriptor):
    calls[0] += 1
    if calls[0] == 2:
        raise OSError({errno}, "broken")
    return real(descriptor)
os.fsync = failing
"""


@pytest.mark.parametrize(("number", "code", "stored"), [(errno.EIO, 75, []), (errno.EINVAL, 0, [MAIL])])
def test_a_folder_that_cannot_be_synced(spool: Path, number: int, code: int, stored: list[bytes]) -> None:
    """If the folder cannot be synced, the mail is taken back, and the mail server keeps it: it would come again with
    each attempt. A file system that syncs no folders (EINVAL) is used as it is.
    """
    assert code == run(spool, "--mailbox", "support", script=BROKEN.format(errno=number)).returncode
    assert (stored, 0) == (mails(spool), half(spool))


TRACED = """
import os
for name in ("write", "fsync", "rename", "open"):
    def traced(*arguments, name=name, real=getattr(os, name), **more):
        result = real(*arguments, **more)
        seen.append(name)
        return result
    setattr(os, name, traced)
seen = []
import atexit
atexit.register(lambda: print(*seen))
"""


def test_the_order_of_what_is_done(spool: Path) -> None:
    """The mail is written, synced, moved, and its folder synced, in this order, before the process ends."""
    done = run(spool, "--mailbox", "support", script=TRACED)
    calls = done.stdout.decode().split()
    assert ["write", "fsync", "rename", "fsync"] == [call for call in calls if call != "open"][-4:]


def test_a_thousand_at_once(spool: Path) -> None:
    """A thousand processes, sixteen at a time, every fifth killed at any moment: each mail whose process ended with 0
    is there, once; one whose process was killed is there once or not at all, and none is cut.
    """
    whole = [MAIL + f"{number}\n".encode() * 100 for number in range(1000)]
    chance, running, ended = random.Random(7), dict[int, int](), dict[int, int]()

    def wait() -> None:
        child, status = os.waitpid(next(iter(running)), 0)
        ended[running.pop(child)] = os.waitstatus_to_exitcode(status)

    for number, mail in enumerate(whole):
        child = os.fork()
        if child == 0:
            os.dup2(_pipe(mail), 0)
            os._exit(deliver(["--spool", str(spool), "--mailbox", "support"], {}))
        running[child] = number
        if number % 5 == 0:
            until = time.perf_counter() + chance.random() * 0.006  # a process takes about 3 ms
            while time.perf_counter() < until:
                pass
            os.kill(child, signal.SIGKILL)
        if len(running) == 16:
            wait()
    while running:
        wait()
    there = mails(spool)
    assert len(set(there)) == len(there)
    assert {whole[number] for number, code in ended.items() if code == 0} <= set(there) <= set(whole)
    assert {0, -signal.SIGKILL} >= set(ended.values())
    assert all(code == 0 for number, code in ended.items() if number % 5)


def test_what_it_loads(spool: Path) -> None:
    """`deliver` loads the standard library and a few files of ours alone: that is 0.04 s of CPU."""
    command = [sys.executable, "-X", "importtime", "-m", "redmine_mailbridge", "deliver", "--spool", str(spool)]
    done = subprocess.run(
        [*command, "--mailbox", "support"], input=MAIL, capture_output=True, env=PLAIN, check=True, timeout=60
    )
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in lines} - {"imported package"}
    ours = {name for name in loaded if name.startswith("redmine_mailbridge")}
    assert {
        "redmine_mailbridge", "redmine_mailbridge.cli", "redmine_mailbridge.cli.deliver",
        "redmine_mailbridge.mailboxes", "redmine_mailbridge.mailboxes.delivered",
        "redmine_mailbridge.mailboxes.delivered.drop", "redmine_mailbridge.side_effects",
    } == ours  # fmt: skip
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"redmine_mailbridge"}
    assert not {name for name in foreign if not name.startswith("_") and name not in {"sitecustomize", "usercustomize"}}
    assert len(loaded) <= 80


def test_help_and_the_way_through_the_command_line(spool: Path) -> None:
    """`deliver --help` explains the exit codes; started behind --settings, it does the same as directly."""
    help_text = run(spool, "--help").stdout
    assert b"75" in help_text
    command = [sys.executable, "-m", "redmine_mailbridge", "--settings", "none.toml", "deliver", "--spool", str(spool)]
    done = subprocess.run([*command, "--mailbox", "support"], input=MAIL, env=PLAIN, check=False, timeout=60)
    assert 0 == done.returncode
    assert [MAIL] == mails(spool)


def test_names_never_collide(spool: Path) -> None:
    """With the clock standing still, and in the same process, each mail has a name of its own, in which the order of
    arrival is that of the clock.
    """
    still = "import time\ntime.time_ns = lambda: 1"
    for _ in range(3):
        assert 0 == run(spool, "--mailbox", "support", script=still).returncode
    assert [MAIL] * 3 == mails(spool)


@pytest.mark.fault("A43-15")
def test_no_one_takes_the_name_of_a_mail(spool: Path) -> None:
    """Whoever sees a mail's name in `tmp`, and writes a file of that name to `new`, does not make the service take the
    mail for one that it knows already: the mail has another name there.
    """
    new = spool / "support@example.com" / "new"

    def chunks() -> Iterator[bytes]:
        yield MAIL
        (part,) = (spool / "support@example.com" / "tmp").iterdir()
        (new / part.name).write_bytes(b"Subject: of another\n\n")

    name = drop.add(str(spool), "support@example.com", chunks(), max_size=1_000_000)
    assert MAIL == (new / name).read_bytes()
    assert 2 == len(mails(spool))
