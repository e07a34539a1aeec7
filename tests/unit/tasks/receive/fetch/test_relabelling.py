"""What changes in the store when the settings name mailboxes otherwise: the cases as a table."""

import datetime as dt

import pytest

TODAY = dt.date(2026, 3, 1)
INBOX = frozenset({"INBOX"})


@pytest.mark.parametrize(
    ("known", "named", "names", "moved", "folders"),
    [
        pytest.param({"a": "x"}, {"a": "x"}, {}, set(), (), id="nothing changes"),
        pytest.param({"a": "x"}, {"b": "x"}, {"a": "b"}, set(), (), id="renamed"),
        pytest.param({"a": "x"}, {"a": "y"}, {}, {"a"}, (), id="moved"),
        pytest.param({"a": "x"}, {"b": "y"}, {}, set(), (), id="another one"),
        pytest.param({"a": "x m@e"}, {"b": "y m@e"}, {"a": "b"}, {"b"}, (), id="renamed and moved"),
        pytest.param({"a": "x m@e", "b": "y m@e"}, {"c": "z m@e"}, {}, set(), (), id="whose of two is not known"),
        pytest.param({"a": "x m@e"}, {"a": "x m@e", "b": "y m@e"}, {}, set(), (), id="the former one is still there"),
        pytest.param({"a": "x m@e"}, {"a": "x m@e off", "b": "y m@e"}, {"a": "b"}, {"b"}, (), id="one of them is off"),
        pytest.param({"a": "x", "b": "y"}, {"a": "y", "b": "x"}, {"a": "b", "b": "a"}, set(), (), id="exchanged"),
        pytest.param(
            {"a": "x", "b": "y"}, {"a": "y"}, {"b": "a", "a": "a (until 2026-03-01)"}, set(), (), id="taken over"
        ),
        pytest.param(
            {"a": "x", "b": "y", "a (until 2026-03-01)": "z"},
            {"a": "y"},
            {"b": "a", "a": "a (until 2026-03-01, 2)"},
            set(),
            (),
            id="taken over twice in a day",
        ),
        pytest.param(
            {"a": "x", "b": "y", "c": "z"},
            {"a": "y", "b": "z"},
            {"b": "a", "c": "b", "a": "a (until 2026-03-01)"},
            set(),
            (),
            id="moved up",
        ),
        pytest.param({"a": "?"}, {"a": "y"}, {}, set(), (), id="an earlier version's is taken as it is"),
        pytest.param({"a": "x"}, {"a": "x off"}, {}, set(), (), id="switched off"),
        pytest.param({"a": "x"}, {"a": "x off", "b": "x"}, {"a": "b"}, set(), (), id="off, and on under another name"),
        pytest.param(
            {"a": "x INBOX Forms"},
            {"a": "x INBOX", "b": "x Forms"},
            {},
            set(),
            (("a", "Forms", "b"),),
            id="handed over",
        ),
        pytest.param(
            {"a": "x INBOX Forms", "b": "y INBOX"},
            {"a": "x INBOX", "b": "y INBOX Forms"},
            {},
            set(),
            (),
            id="a folder of that name in another account",
        ),
    ],
)
def test_relabelling(
    known: dict[str, str],
    named: dict[str, str],
    names: dict[str, str],
    moved: set[str],
    folders: tuple[tuple[str, str, str], ...],
) -> None:
    """Who goes on with whose mails. `x m@e INBOX off` is account x, address m@e, the folder INBOX, not active."""
    from redmine_mailbridge.store.accounts import KnownMailbox
    from redmine_mailbridge.tasks.receive.fetch.succession import NamedMailbox, relabelling

    def read(text: str) -> tuple[str, str, frozenset[str], bool]:
        account, *more = text.split()
        address = next((one for one in more if "@" in one), f"{account}@example.com")
        found = frozenset(one for one in more if one != "off" and "@" not in one)
        return account, address, found or INBOX, "off" not in more

    there = {}
    for name, text in known.items():
        account, address, read_there, _ = read(text)
        whose = (None, None) if account == "?" else (account, address)
        there[name] = KnownMailbox(name, *whose, read_there)
    now = [NamedMailbox(name, *read(text)) for name, text in named.items()]
    found = relabelling(there, now, TODAY)
    assert (names, moved, folders) == (dict(found.names), set(found.moved), tuple(found.folders))
