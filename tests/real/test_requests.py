"""What whole passes ask of Redmine, as `receive --once` makes them by hand or from cron: counted on the wire."""

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.product import ANNA, Product, mail, message_id_of, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import FaultProxy

pytestmark = [pytest.mark.real]

MAILS = 200


@pytest.fixture
def desk(tmp_path: Path, redmine: Redmine, redmine_proxy: FaultProxy, mailbox: Mailbox) -> Product:
    """The bridge at its defaults, whose requests to Redmine pass the proxy."""
    made = product(tmp_path, redmine, mailbox, redmine.fresh_project())
    made.change({"redmine": {"url": redmine_proxy.url, "max_parallel": 1}})  # SQLite fails on two writers at once
    return made


def asked(desk: Product, proxy: FaultProxy) -> Counter[str]:
    """Make one pass as a process. Return its requests to Redmine, without numbers, words and parameters."""
    before = len(proxy.requests)
    done = desk.command("receive", "--once")
    assert done.returncode == 0, done.stderr
    found: Counter[str] = Counter()
    for line in proxy.requests[before:]:
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        what = "?updated_on" if "updated_on" in query else "?notes" if "notes" in query else ""
        found[f"{method} {re.sub(r'/[^/]*[0-9][^/]*[.]json', '/N.json', path)}{what}"] += 1
    return found


def settled() -> None:
    """Let the second in which Redmine wrote last be over, and one more: what changes in it would look the same."""
    end = time.time() + 3
    while time.time() < end:
        time.sleep(0.1)


@pytest.mark.fault("P17-1")
def test_plain_mails_and_empty_passes(desk: Product, redmine_proxy: FaultProxy, mailbox: Mailbox) -> None:
    """A plain new mail of a known sender is one request, the whole pass and the update included, but for nine of each
    pass, and one for each hundred changes on the list; a pass with nothing to do is two and the list.
    """
    mailbox.append(mail("The first", sender=ANNA))
    asked(desk, redmine_proxy)
    mailbox.append(*(mail(f"Question {number}", sender=ANNA) for number in range(MAILS)))
    full = asked(desk, redmine_proxy)
    assert MAILS == full["POST /issues.json"]
    pages = full.pop("GET /issues.json?updated_on")  # of the last minutes' changes, which other tests have made too
    assert 1 <= pages
    assert full.total() <= MAILS + 9, full
    settled()
    asked(desk, redmine_proxy)  # what was written in that pass's last seconds is settled
    empty = asked(desk, redmine_proxy)
    assert 1 <= empty.pop("GET /issues.json?updated_on")
    assert empty.total() <= 2, empty
    assert 0 == sum(count for line, count in empty.items() if "/issues/" in line)


@pytest.mark.fault("P17-1")
def test_a_reply(desk: Product, redmine_proxy: FaultProxy, mailbox: Mailbox) -> None:
    """A reply reads its issue before it is decided about, and once after it was noted, as Redmine's 204 tells nothing;
    the copy reads it no more in that pass.
    """
    first = mail("Printer")
    mailbox.append(first)
    asked(desk, redmine_proxy)
    settled()
    asked(desk, redmine_proxy)
    mailbox.append(mail("Re: Printer", In_Reply_To=message_id_of(first)))
    found = asked(desk, redmine_proxy)
    assert (1, 2) == (found["PUT /issues/N.json"], found["GET /issues/N.json"]), found
