"""Mail between the bridge and its customers: a server that delivers it, and a mailbox for each of them."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.product import Product, product
from tests.real.talk import sends_by
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine
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


@pytest.fixture
def kim(person: Callable[[str], Mailbox]) -> Mailbox:
    """The mailbox of a customer."""
    return person("kim")


@pytest.fixture
def customer(kim: Mailbox) -> Mailbox:
    """The same, where the customer has no name in the test."""
    return kim


@pytest.fixture
def sending(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay) -> Product:
    """A bridge that sends by the server, which nobody has started yet."""
    made = product(tmp_path, redmine, mailbox, project)
    sends_by(made, server)
    return made
