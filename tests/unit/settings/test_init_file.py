"""A mailbox that is added to a settings file leaves all else there as it is: what others wrote, rights, links."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from redmine_mailbridge.settings.init_file import InitFile, write
from redmine_mailbridge.settings.load import load

pytestmark = pytest.mark.fault("A17-2")
BASE = """[redmine]
url = "http://127.0.0.1:1"
api_key = "k"
[mailboxes.first]
address = "first@example.com"
host = "127.0.0.1"
password = "p"
issue.project = "p"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file with one mailbox."""
    made = tmp_path / "settings.toml"
    made.write_text(BASE, "utf-8")
    return made


def mailbox(name: str) -> InitFile:
    """A draft of one more mailbox."""
    values = {"address": f"{name}@example.com", "host": "127.0.0.1", "password": "p"}
    draft = {("mailboxes", name, key): value for key, value in values.items()}
    return InitFile(draft | {("mailboxes", name, "issue", "project"): "p"}, {})


def test_what_another_added_meanwhile_stays(file: Path) -> None:
    """Of two that began with the same file, the second one to end adds to what the first has written."""
    base = file.read_text("utf-8")
    write(mailbox("second"), file, base=base)
    write(mailbox("third"), file, base=base)
    assert ["first", "second", "third"] == sorted(load(file, {}).mailboxes)


def test_many_at_once(file: Path) -> None:
    """However many add a mailbox at the same moment, each is there."""
    names = [f"m{number}" for number in range(6)]
    ready = threading.Barrier(len(names))

    def add(name: str) -> None:
        ready.wait()
        write(mailbox(name), file, base=BASE)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert {"first", *names} == set(load(file, {}).mailboxes)


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    """Where the settings are a link, the file that it names is written."""
    link = tmp_path / "elsewhere.toml"
    link.symlink_to(file.name)
    write(mailbox("second"), link, base=BASE)
    assert (True, ["first", "second"]) == (link.is_symlink(), sorted(load(file, {}).mailboxes))


def test_the_rights_stay(file: Path) -> None:
    """Who could read the settings can do so still: the service, by its group."""
    file.chmod(0o640)
    before = file.stat()
    write(mailbox("second"), file, base=BASE)
    after = file.stat()
    assert (0o640, before.st_uid, before.st_gid) == (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid)
