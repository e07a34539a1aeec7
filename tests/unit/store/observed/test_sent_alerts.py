"""The alerts that were sent: of each condition one, and one all-clear."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.sent_alerts import SentAlerts
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_is_claimed_by_one(store: Store, clock: Clock) -> None:
    alerts, others = (SentAlerts(store.database, clock) for _ in range(2))
    assert not alerts.end("mailbox-not-read", "a")
    assert alerts.begin("mailbox-not-read", "a")
    assert not others.begin("mailbox-not-read", "a")
    clock.now += 5
    assert others.begin("mailbox-not-read", "b")
    assert {("mailbox-not-read", "a"): clock.now - 5, ("mailbox-not-read", "b"): clock.now} == alerts.all()
    assert others.end("mailbox-not-read", "a")
    assert not alerts.end("mailbox-not-read", "a")
    assert [("mailbox-not-read", "b")] == list(alerts.all())
