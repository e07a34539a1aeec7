"""The ends of certificates, as the service records them."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.certificates import EVERY, Certificates
from redmine_mailbridge.store.observed.observations import SeenCertificate, TimeBounds, observe
from tests.clocks import Clock

BOUNDS = TimeBounds(0.0, 0.0, 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_same_is_recorded_once_an_hour(store: Store, clock: Clock) -> None:
    """A certificate that is seen with every connection costs a write an hour; a new one is recorded at once."""
    steady = Clock(0.0)
    certificates = Certificates(store.database, clock, steady)

    def seen(until: float) -> SeenCertificate:
        certificates.note({"a:993": until})
        return observe(store.database, BOUNDS).certificates["a:993"]

    first = clock.now
    assert SeenCertificate(5.0, first) == seen(5.0)
    clock.now += 10
    steady.now += EVERY - 1
    assert SeenCertificate(5.0, first) == seen(5.0)
    assert SeenCertificate(6.0, clock.now) == seen(6.0)
    clock.now += 10
    steady.now += EVERY
    assert SeenCertificate(6.0, clock.now) == seen(6.0)


def test_servers_that_are_no_longer_configured(store: Store, clock: Clock) -> None:
    certificates = Certificates(store.database, clock)
    certificates.note({"a:993": 5.0, "b:993": 6.0})
    certificates.note({})
    certificates.forget({"b:993", "c:993"})
    assert {"b:993": 6.0} == certificates.all()
