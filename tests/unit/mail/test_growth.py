"""Twice as much of anything costs at most twice as much: no mail can be made to be slow."""

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions
from tests.growth import MAILS, growth

OPTIONS = ReadingOptions(trusted_authserv_ids=("mx.evil.example",))
QUADRATIC = {
    "encoded blanks in the subject", "encoded blanks in a name", "encoded blanks in a file's name",
    "attributes", "attributes of quotes",
}  # fmt: skip
"""Those that were."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.fault("V4")] if name in QUADRATIC else []) for name in MAILS]
)
def test_reading_is_linear(name: str) -> None:
    """Reading a mail of twice the size takes at most 2.2 times the work, whatever it is made of."""
    assert 2.2 >= growth(lambda raw: read(raw, OPTIONS), MAILS[name])
