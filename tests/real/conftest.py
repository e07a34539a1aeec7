"""Mail between the bridge and its customers: a server that delivers it, and a mailbox for each of them."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.servers.dovecot import Mail
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay, relay


@pytest.fixture
def server(dovecot: Mail) -> Iterator[Relay]:
    """An SMTP server that asks for no login and delivers to Dovecot."""
    with relay(dovecot) as made:
        yield made


@pytest.fixture
def person(dovecot: Mail) -> Callable[[str], Mailbox]:
    """Given a name, make a mailbox of a customer."""
    return lambda name: Mailbox(dovecot, f"{name}-{uuid.uuid4().hex[:12]}@{dovecot['domain']}")
