"""Three services on one PostgreSQL, while they are stopped, resumed, killed and restarted in any order, and so is
PostgreSQL: each mail is exactly one issue. `MAILBRIDGE_SOAK_SECONDS` and `MAILBRIDGE_SOAK_SEED` set how long this
runs, and have it run as before.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.product import ANNA, Product, Service, mail
from tests.real.test_lock import LEASE, bridge, subjects, until
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.postgresql import PostgreSql

pytestmark = [pytest.mark.real, pytest.mark.newest]

SECONDS = float(os.environ.get("MAILBRIDGE_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("MAILBRIDGE_SOAK_SEED", time.time_ns() % 10_000))
__all__ = ["bridge"]


def works(service: Service) -> bool:
    """Does this service hold the lease, as far as its log says?"""
    return len(service.logged("service.started")) > len(service.logged("service.lock_lost"))


class Mishaps:
    """What befalls the services and their database; `chance` decides."""

    def __init__(self, begin: Callable[[], Service], database: PostgreSql, url: str, chance: random.Random) -> None:
        self._begin = begin
        self._database = database
        self._url = url
        self._chance = chance
        self.services = [self._begun() for _ in range(3)]

    def passes(self, least: float, most: float) -> None:
        """Let some time pass, in seconds."""
        end = time.monotonic() + self._chance.uniform(least, most)
        until(lambda: time.monotonic() >= end)

    def one(self) -> Service:
        """The service that works, or any."""
        return self._chance.choice([each for each in self.services if works(each)] or self.services)

    def stop_one(self) -> None:
        """Stop one for a while, for longer than its lease now and then."""
        one = self.one()
        one.signal(signal.SIGSTOP)
        self.passes(0.5, 3 * LEASE)
        one.signal(signal.SIGCONT)

    def stop_all(self) -> None:
        """Stop all for a while; they continue in any order."""
        for each in self.services:
            each.signal(signal.SIGSTOP)
        self.passes(0.5, 2 * LEASE)
        for each in self._chance.sample(self.services, len(self.services)):
            each.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill one; another takes its place."""
        self._replace(self.one(), signal.SIGKILL)

    def end(self) -> None:
        """End one in order; another takes its place."""
        self._replace(self.one(), signal.SIGTERM)

    def restart_database(self) -> None:
        """Restart PostgreSQL, which is away for longer than a lease now and then."""
        self._database.restart(away=self._chance.choice([0.0, 0.5, 2.0, LEASE + 2.0]))

    def cut(self) -> None:
        """Cut all connections to the database."""
        self._database.cut(self._url)

    def next(self) -> None:
        """One of these."""
        mishaps = (self.stop_one, self.stop_one, self.stop_all, self.kill, self.end, self.restart_database, self.cut)
        self._chance.choice(mishaps)()

    def _replace(self, one: Service, how: signal.Signals) -> None:
        one.signal(how)
        assert one.wait() == (0 if how is signal.SIGTERM else -how)
        self.services[self.services.index(one)] = self._begun()

    def _begun(self) -> Service:
        """A service that works or waits: one that begins while its database is away ends at once, with the reason."""
        begun = self._begin()
        assert until(lambda: bool(begun.logged("service.started") or begun.logged("service.waiting_for_lock")))
        return begun


@pytest.mark.timeout(SECONDS + 400)
@pytest.mark.fault("I7")
def test_any_order_of_mishaps(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, *, project: str, postgresql: PostgreSql, postgresql_url: str
) -> None:
    """Whatever happens to whom and when, no mail is lost and none is written twice."""
    bridge.change({"redmine": {"settle": f"{LEASE + 2.0:.0f}s"}})
    chance, expected = random.Random(SEED), Counter[str]()
    with ExitStack() as stack:
        mishaps = Mishaps(lambda: stack.enter_context(bridge.service()), postgresql, postgresql_url, chance)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for _ in range(chance.randint(1, 4)):
                subject = f"Mail {expected.total():05}"
                mailbox.deliver(mail(subject, sender=ANNA))
                expected[subject] += 1
            mishaps.passes(0.05, 3.0)
            mishaps.next()
        assert until(lambda: mailbox.count().get("Processed", 0) == expected.total(), 120), (SEED, mailbox.count())
        for each in mishaps.services:
            each.signal(signal.SIGTERM)
        assert [0, 0, 0] == [each.wait() for each in mishaps.services]
    written = Counter(subjects(redmine, project))
    assert ({}, {}) == (dict(expected - written), dict(written - expected)), SEED
