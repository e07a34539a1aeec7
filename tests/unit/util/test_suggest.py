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


@pytest.mark.fault("N13")
def test_the_case_of_a_name_is_kept() -> None:
    """A hint shows a name as its owner writes it, also where it is looked up by its lower-case form."""
    from redmine_mailbridge.util.suggest import NameMap

    names = NameMap([("Support Request", 1), ("Bug", 2), ("BUG", 3)])

    assert {"support request": 1, "bug": 2} == names
    assert ', did you mean "Support Request"?' == did_you_mean("Suport request", names)
    assert ', did you mean "Bug"?' == did_you_mean("bugg", names)
