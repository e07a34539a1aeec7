"""The "did you mean"."""

import pytest

from redmine_mailbridge.util.suggest import closest, did_you_mean

KNOWN = ("address", "aliases", "protocol", "port", "password", "password_file", "host")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("prot", "protocol"), ("Host", "host"), ("pasword", "password"), ("adress", "address"), ("xyz", None), ("", None)],
)
def test_closest(word: str, meant: str | None) -> None:
    """What a word begins, or is spelt like, is meant; else nothing is."""
    assert meant == closest(word, KNOWN)


def test_did_you_mean() -> None:
    """It is a clause to put behind an error, or nothing."""
    assert ', did you mean "port"?' == did_you_mean("prt", KNOWN)
    assert "" == did_you_mean("quite different", KNOWN)
