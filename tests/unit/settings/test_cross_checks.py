"""What cannot be meant together is refused at loading."""

import itertools
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from redmine_mailbridge.checks.result import settings_checks
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load, load_with_origins, reload
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring.oauth import connections

BOX = {"address": "a@example.com", "host": "mail.example.com", "password": "x", "issue": {"project": "p"}}


def loaded(folder: Path, boxes: dict[str, dict[str, Any]], **tables: Any) -> Settings:
    redmine = {"url": "https://redmine.example.com", "api_key": "x"} | tables.pop("redmine", {})
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps({"redmine": redmine, "mailboxes": boxes, **tables}), "utf-8")
    return load(file, {})


def refused(folder: Path, boxes: dict[str, dict[str, Any]], **tables: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, boxes, **tables)
    return "\n".join(caught.value.problems)


def test_cleartext_beyond_this_machine(tmp_path: Path) -> None:
    """Security none is refused to a foreign server, unless it is allowed in so many words, and fine on loopback."""
    assert 'security = "none": would send the password to mail.example.com unencrypted' in refused(
        tmp_path, {"a": BOX | {"security": "none"}}
    )
    assert 143 == loaded(tmp_path, {"a": BOX | {"security": "none", "allow_cleartext": True}}).mailboxes["a"].port
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
        assert host == loaded(tmp_path, {"a": BOX | {"security": "none", "host": host}}).mailboxes["a"].host


def test_ntlm_that_is_forbidden(tmp_path: Path) -> None:
    """NTLM asked for and forbidden at once is refused; asked for alone it loads."""
    assert "ntlm" == loaded(tmp_path, {"a": BOX | {"login": "ntlm"}}).mailboxes["a"].login
    text = refused(tmp_path, {"a": BOX | {"login": "ntlm", "prevent_ntlm": True}})
    assert 'login = "ntlm": is NTLM, but prevent_ntlm forbids that' in text


def test_ntlm_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NTLM asked for where pyspnego is not installed is refused at load, with what to install."""
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "spnego", raising=False)
    assert "pip install 'redmine-mailbridge[ntlm]'" in refused(tmp_path, {"a": BOX | {"login": "ntlm"}})


def test_success_folder_that_is_read(tmp_path: Path) -> None:
    """A folder cannot be read and filed to; INBOX is the same in any case."""
    assert 'success_folder = "Done": is also in folders' in refused(
        tmp_path, {"a": BOX | {"folders": ["INBOX", "Done"], "success_folder": "Done"}}
    )
    assert 'failure_folder = "inbox": is also in folders' in refused(tmp_path, {"a": BOX | {"failure_folder": "inbox"}})


def test_pop3_has_no_folders(tmp_path: Path) -> None:
    """POP3 with folders is refused key by key; without, it has none."""
    text = refused(tmp_path, {"a": BOX | {"protocol": "pop3", "folders": ["X"], "success_folder": "Y"}})

    assert 'folders = ["X"]: POP3 has no folders' in text
    assert 'success_folder = "Y": POP3 has no folders' in text
    box = loaded(tmp_path, {"a": BOX | {"protocol": "pop3"}}).mailboxes["a"]
    assert (995, None, None) == (box.port, box.success_folder, box.failure_folder)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"after_success": "move"}, 'after_success = "move": POP3 has no folders to move to'),
        ({"after_failure": "move"}, 'after_failure = "move": POP3 has no folders to move to'),
        ({"start_from": "now"}, 'start_from = "now": POP3 has no arrival times'),
        ({"first_sync_limit": 10}, "first_sync_limit = 10: POP3 has no stable order of messages"),
        ({"keep_days": 7}, 'keep_days = 7: applies only with after_success = "keep"'),
    ],
)
def test_what_pop3_cannot_do(tmp_path: Path, values: dict[str, Any], line: str) -> None:
    """What POP3 cannot honour is refused at load, key by key."""
    assert line in refused(tmp_path, {"a": BOX | {"protocol": "pop3"} | values})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "oauth: is missing: Microsoft Graph accepts OAuth tokens only"),
        ({"oauth": "ms", "login": "plain"}, 'login = "plain": Microsoft Graph accepts OAuth tokens only'),
        ({"oauth": "ms", "security": "starttls"}, "Microsoft Graph uses implicit TLS"),
        ({"oauth": "ms", "after_failure": "delete"}, '"delete" is allowed only with POP3'),
    ],
)
def test_what_graph_cannot_do(tmp_path: Path, values: dict[str, Any], line: str) -> None:
    """What Microsoft Graph cannot honour, or needs, is said at load."""
    box = {name: value for name, value in BOX.items() if name != "password" or "oauth" not in values}
    oauth = {"ms": {"preset": "microsoft365", "client_id": "id"}}
    assert line in refused(tmp_path, {"a": box | {"protocol": "graph", "preset": "microsoft365"} | values}, oauth=oauth)


def test_graph(tmp_path: Path) -> None:
    """With a preset and a sign-in Graph needs no more; the sign-in asks for Graph's permissions."""
    box = {"address": "a@example.com", "issue": {"project": "p"}, "oauth": "ms", "preset": "microsoft365"}
    oauth = {"ms": {"preset": "microsoft365", "client_id": "id"}}
    settings = loaded(tmp_path, {"a": box | {"protocol": "graph"}, "b": box | {"username": "b"}}, oauth=oauth)
    made = settings.mailboxes["a"]
    assert ("graph.microsoft.com", 443, "tls") == (made.host, made.port, made.security)
    scopes = {name: one.provider.scopes for name, one in connections(settings).items()}
    assert "https://graph.microsoft.com/Mail.ReadWrite" in scopes["a"]
    assert "https://outlook.office.com/IMAP.AccessAsUser.All" in scopes["b"]


def test_what_is_kept_for_some_days(tmp_path: Path) -> None:
    """keep_days belongs to "keep"; refused mail is deleted with POP3 only."""
    kept = {"after_success": "keep", "keep_days": 7}
    assert 7 == loaded(tmp_path, {"a": BOX | kept}).mailboxes["a"].keep_days
    pop3 = loaded(tmp_path, {"a": BOX | kept | {"protocol": "pop3", "after_failure": "delete"}}).mailboxes["a"]
    assert ("keep", "delete") == (pop3.after_success, pop3.after_failure)
    text = refused(tmp_path, {"a": BOX | {"after_failure": "delete"}})
    assert 'after_failure = "delete": "delete" is allowed only with POP3' in text


def test_one_folder_read_twice(tmp_path: Path) -> None:
    """Two active mailboxes may not read the same folder of the same account; different folders they may."""
    other = BOX | {"address": "b@example.com", "username": "a@example.com", "folders": ["B", "inbox"]}
    text = refused(tmp_path, {"a": BOX, "b": other})

    assert '[mailboxes.b]: reads "inbox" of the same account as mailbox "a"' in text
    assert 2 == len(loaded(tmp_path, {"a": BOX, "b": BOX | {"folders": ["Sales"]}}).mailboxes)
    assert 2 == len(loaded(tmp_path, {"a": BOX, "b": BOX | {"active": False}}).mailboxes)


def test_marker_field_needs_a_name(tmp_path: Path) -> None:
    """An empty marker field is refused."""
    assert 'marker_field = "": must not be empty' in refused(tmp_path, {"a": BOX}, redmine={"marker_field": ""})


def test_two_schedules(tmp_path: Path) -> None:
    """A task has one schedule."""
    assert "set either every or cron, not both" in refused(
        tmp_path, {"a": BOX}, tasks={"receive": {"every": "5m", "cron": "* * * * *"}}
    )


@pytest.mark.parametrize("cron", ["* * * *", "61 * * * *", "* * * * 8", "every day"])
def test_schedules_that_cannot_be_followed(tmp_path: Path, cron: str) -> None:
    """A crontab line that the scheduler cannot follow is refused at loading, not at the first run."""
    assert f'[tasks.receive] cron = "{cron}"' in refused(tmp_path, {"a": BOX}, tasks={"receive": {"cron": cron}})


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_databases_that_cannot_keep(tmp_path: Path, url: str) -> None:
    """A database that the store cannot use, or that forgets, is refused."""
    assert "[store] url" in refused(tmp_path, {"a": BOX}, store={"url": url})


POSTGRESQL = "postgresql+psycopg://bridge@db.example.com/bridge"


@pytest.mark.parametrize(
    ("store", "in_database", "folder"),
    [
        ({}, False, "mails"),
        ({"raw_storage": "database"}, True, "mails"),
        ({"raw_dir": "raw"}, False, "raw"),
        ({"url": POSTGRESQL}, True, None),
        ({"url": POSTGRESQL, "raw_dir": "raw"}, False, "raw"),
        ({"url": POSTGRESQL, "raw_dir": "raw", "raw_storage": "database"}, True, "raw"),
    ],
)
def test_where_raw_messages_are(tmp_path: Path, store: dict[str, str], in_database: bool, folder: str | None) -> None:
    """With SQLite they are in the folder beside it; with PostgreSQL in the database, unless a folder is named."""
    found = loaded(tmp_path, {"a": BOX}, store=store).store
    assert (in_database, tmp_path / folder if folder else None) == (found.raw_in_database, found.raw_folder)


def test_a_folder_that_is_not_named(tmp_path: Path) -> None:
    """With PostgreSQL no place is beside the database, for raw messages or for the key of tokens."""
    words = 'raw_dir: is required with PostgreSQL and raw_storage = "folder"'
    assert f"[store] {words}" in refused(tmp_path, {"a": BOX}, store={"url": POSTGRESQL, "raw_storage": "folder"})
    signs_in = {name: value for name, value in BOX.items() if name != "password"} | {"oauth": "google"}
    provider = {"google": {"preset": "google", "client_id": "i", "client_secret": "s"}}
    words = "token_key_file: is required with PostgreSQL and oauth"
    assert words in refused(tmp_path, {"a": signs_in}, store={"url": POSTGRESQL}, oauth=provider)
    for key in ("token_key_file", "raw_dir"):
        assert loaded(tmp_path, {"a": signs_in}, store={"url": POSTGRESQL, key: "there"}, oauth=provider)


def test_postgresql_password(tmp_path: Path) -> None:
    """The password of PostgreSQL is put into the address only when asked for."""
    url = POSTGRESQL
    store = loaded(tmp_path, {"a": BOX}, store={"url": url, "raw_dir": "mails", "password": "p@ss/word"}).store

    assert tmp_path / "mails" == store.raw_folder
    assert "postgresql+psycopg://bridge:p%40ss%2Fword@db.example.com/bridge" == store.database_url()
    assert "p@ss" not in repr(store)


@pytest.mark.parametrize(
    "url", ["redmine.example.com", "ftp://x", "https://", "https://user:geheim@x", "https://x/?key=1"]
)
def test_addresses_that_are_no_redmine(tmp_path: Path, url: str) -> None:
    """What is no plain web address is refused, and a password in it not shown."""
    text = refused(tmp_path, {"a": BOX}, redmine={"url": url})

    assert "[redmine] url" in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    "address", ["support", "@example.com", "a@", "A <a@example.com>", "a@b,c@d", "a b@example.com"]
)
def test_addresses_that_are_none(tmp_path: Path, address: str) -> None:
    """A mailbox has one plain address."""
    assert "must be one mail address" in refused(tmp_path, {"a": BOX | {"address": address}})


@pytest.mark.parametrize("name", ["a b", "-a", "a.b", "ä", ""])
def test_mailbox_names(tmp_path: Path, name: str) -> None:
    """A mailbox's name is made of letters, digits, - and _, so that a variable can speak of it."""
    assert "a name must start with a letter or digit" in refused(tmp_path, {name: BOX})


def test_keys_of_several_kinds(tmp_path: Path) -> None:
    """A key that takes values of several kinds is refused once, with all of them."""
    text = refused(tmp_path, {"a": BOX | {"start_from": "tomorrow", "issue": {"project": "p", "allow_override": 5.5}}})

    assert [
        (
            '[mailboxes.a] start_from = "tomorrow": must be "now", "all", a time such as 2026-01-31T08:00:00Z or '
            "a date such as 2026-01-31"
        ),
        "[mailboxes.a.issue] allow_override = 5.5: must be a list or text",
    ] == [line.partition(": ")[2] for line in text.splitlines()]
    assert "now" == loaded(tmp_path, {"a": BOX | {"start_from": "now"}}).mailboxes["a"].start_from


def test_expressions_are_checked(tmp_path: Path) -> None:
    """A delimiter between slashes must be an expression; a plain one may hold anything."""
    assert "is not a usable regular expression" in refused(tmp_path, {"a": BOX | {"reading": {"delimiters": ["/(/"]}}})
    box = BOX | {"reading": {"delimiters": ["-- (above) --", "/Ticket #\\d+/"], "excluded_names": ["*.vcf", "/a+/"]}}
    options = loaded(tmp_path, {"a": box}).mailboxes["a"].reading.options("textile")
    plain, expression = options.delimiters
    name, other = options.excluded_names

    lines = ("-- (above) --", "--\u00a0(above)  --", "-- above --")
    assert [True, True, False] == [bool(plain.fullmatch(line)) for line in lines]
    assert [True, False] == [bool(expression.fullmatch(line)) for line in ("Ticket #12", "ticket #12")]
    assert [True, False] == [bool(name.fullmatch(file)) for file in ("Über.VCF", "card.vcf.txt")]
    assert [True, False, False] == [bool(other.search(file)) for file in ("AAA", "AAAb", "b")]
    assert "textile" == options.text_format


def test_expressions_are_linear(tmp_path: Path) -> None:
    """An expression that would take for ever elsewhere is done at once."""
    box = BOX | {"reading": {"delimiters": ["/(a+)+b/"]}}
    (pattern,) = loaded(tmp_path, {"a": box}).mailboxes["a"].reading.options("textile").delimiters

    assert not pattern.fullmatch("a" * 100_000)


def test_a_field_at_once_without_a_field(tmp_path: Path) -> None:
    """A field that is to be written at once must be named; the other ways need none."""
    at_once = BOX | {"answers": {"report": "field_at_once"}}
    text = refused(tmp_path, {"a": at_once})
    assert 'report = "field_at_once": "field_at_once" writes the custom field of issue.last_answer_field' in text
    assert 'set it to the name of a field of the format text, or answers.report to "field" or "private_note"' in text
    named = at_once | {"issue": {"project": "p", "last_answer_field": "Last answer"}}
    box = loaded(tmp_path, {"a": named}).mailboxes["a"]
    assert ("field_at_once", {"last answer"}) == (box.answers.report, box.route.own_fields)
    assert (
        "private_note"
        == loaded(tmp_path, {"a": BOX | {"answers": {"report": "private_note"}}}).mailboxes["a"].answers.report
    )


REDMINES = {"project": "p", "requester_field": "Requester", "conversations_from_redmine": True}


def test_conversations_from_redmine(tmp_path: Path) -> None:
    """They need a project, a field and notes that are mailed; two mailboxes for one project are refused, unless only
    one is active.
    """
    text = refused(tmp_path, {"a": BOX | {"issue": {"reply_only": True, "conversations_from_redmine": True}}})
    for needed in (
        "issue.project, whose issues become conversations; set it to the project's identifier",
        "issue.requester_field, which says who is answered; set it to the name of a custom field",
        'answers.notes, which is "never"; set it to "public_notes" or "marked"',
    ):
        assert f"conversations_from_redmine = true: needs {needed}" in text
    first = BOX | {"issue": REDMINES, "answers": {"notes": "public_notes"}}
    by_command = {"issue": {"project": "p", "conversations_from_redmine": True}}
    by_command |= {"answers": {"notes": "public_notes", "command_roles": ["Support"]}}
    assert loaded(tmp_path, {"a": BOX | by_command}).mailboxes["a"].issue.conversations_from_redmine
    second = first | {"address": "b@example.com", "issue": REDMINES | {"project": "P"}}
    assert loaded(tmp_path, {"a": first}).mailboxes["a"].issue.conversations_from_redmine
    words = 'conversations_from_redmine = true: mailbox "a" begins the conversations of project "P" already; set it'
    assert words in refused(tmp_path, {"a": first, "b": second})
    assert loaded(tmp_path, {"a": first, "b": second | {"active": False}})
    other = second | {"issue": REDMINES | {"project": "q"}}
    assert loaded(tmp_path, {"a": first, "b": other})


def test_third_parties_without_writers(tmp_path: Path) -> None:
    """Whoever may write to third parties must be named, as roles or as groups."""
    text = refused(tmp_path, {"a": BOX | {"answers": {"third_parties": True}}})
    assert "[mailboxes.a.answers] third_parties = true: no one may write to third parties; set " in text
    for key in ("command_roles", "command_groups"):
        assert loaded(tmp_path, {"a": BOX | {"answers": {"third_parties": True, key: ["Support"]}}})


FIELDS = {
    "marker_field": {"redmine": {"marker_field": "Same"}},
    "issue_fields.hours": {"aggregate": {"issue_fields": {"hours": "Same"}}},
    "issue_fields.mails_in": {"aggregate": {"issue_fields": {"mails_in": "Same"}}},
    "requester_field": {"issue": {"requester_field": "Same"}},
    "customer_field": {"senders": {"customer_field": "same"}},
    "last_answer_field": {"issue": {"last_answer_field": "SAME"}},
}
"""Each setting that names a custom field of issues which the bridge itself fills, with one name for all."""


def merged(*tables: dict[str, Any]) -> dict[str, Any]:
    """The tables as one, key by key."""
    whole: dict[str, Any] = {}
    for name, value in (pair for table in tables for pair in table.items()):
        whole[name] = merged(whole.get(name, {}), value) if isinstance(value, dict) else value
    return whole


def with_fields(*fields: dict[str, Any]) -> dict[str, Any]:
    """Given settings of fields, return them as those of a mailbox and the tables beside it."""
    whole = merged({"redmine": {}, "aggregate": {}}, *fields)
    beside = {name: whole.pop(name) for name in ("redmine", "aggregate")}
    return {"boxes": {"a": merged(BOX, whole)}, **beside}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(FIELDS, 2)))
def test_one_field_for_two_uses(tmp_path: Path, one: str, other: str) -> None:
    """No two of these settings may name the same custom field; the error names both keys and what to do."""
    (line,) = refused(tmp_path, **with_fields(FIELDS[one], FIELDS[other])).splitlines()
    key = other.rpartition(".")[2]
    assert re.search(rf'settings.toml:[0-9]+: .*{key}.*: \S*{one} names the same custom field "same"', line.lower())
    assert line.endswith("create a custom field for each, and write the name of the other one here")
    assert loaded(tmp_path, **with_fields(FIELDS[one]))


def test_one_field_for_two_uses_in_other_places(tmp_path: Path) -> None:
    """Two figures of projects are refused, too; defaults of all mailboxes are named once; another mailbox may use a
    field for something else.
    """
    figures = {"project_fields": {"hours": "Hours left", "budget_left": "hours left"}}
    assert "[aggregate.project_fields] budget_left" in refused(tmp_path, {"a": BOX}, aggregate=figures)
    shared = {"issue": {"requester_field": "Kim", "last_answer_field": "Kim"}}
    other = BOX | {"address": "b@example.com", "username": "b"}
    (line,) = refused(tmp_path, {"a": BOX, "b": other}, mailbox_defaults=shared).splitlines()
    assert '[mailbox_defaults.issue] last_answer_field = "Kim": issue.requester_field names the same' in line
    kim, lee = ({"issue": {"project": "p", key: "Kim"}} for key in ("requester_field", "last_answer_field"))
    assert loaded(tmp_path, {"a": BOX | kim, "b": other | lee})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("place", ["issue.custom_fields", 'rule "Forms"'])
def test_values_for_a_field_of_the_bridge(tmp_path: Path, field: str, place: str) -> None:
    """A value of custom_fields for a field that is written with the issue would be lost, or the other one; for another
    field it is a first value, which Redmine may require.
    """
    custom = {"custom_fields": {"same": "{subject}"}}
    box: dict[str, Any] = {"issue": custom}
    if place != "issue.custom_fields":
        box = {"rules": [{"name": "Forms", "subject": "Form", **custom}]}
    if field in ("requester_field", "marker_field"):
        line = f'{field} = "Same": {place} has a value for the same custom field, and one of the two would be lost; '
        assert line in refused(tmp_path, **with_fields(FIELDS[field], box))
    else:
        assert loaded(tmp_path, **with_fields(FIELDS[field], box))


DELIVERED = {"address": "a@example.com", "protocol": "deliver", "issue": {"project": "p"}}


def test_deliver(tmp_path: Path) -> None:
    """A mailbox of `deliver` needs no server and no password; done mail is removed, failed mail is moved."""
    box = loaded(tmp_path, {"a": DELIVERED}).mailboxes["a"]
    assert ("delete", "move", "Failed") == (box.after_success, box.after_failure, box.failure_folder)
    assert (Path("/var/spool/redmine-mailbridge"), False) == (box.spool_dir, box.undecided)
    assert "a@example.com by deliver" == box.account


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"host": "mail.example.com"}, 'protocol = "deliver": protocol = "deliver" reads no server; remove host'),
        ({"password": "x"}, 'password: not with protocol = "deliver"'),
        ({"username": "x"}, 'username = "x": not with protocol = "deliver"'),
        ({"folders": ["A"]}, 'not with protocol = "deliver"'),
        ({"start_from": "now"}, 'start_from = "now": not with protocol = "deliver"'),
        ({"after_success": "move"}, 'success_folder: is missing: after_success is "move"'),
        ({"after_failure": "delete"}, '"delete" is allowed only with POP3'),
        ({"senders": {"spam": "junk"}}, '"junk": the spool of `deliver` has no folder for spam'),
    ],
)
def test_what_deliver_has_no_use_for(tmp_path: Path, values: dict[str, Any], line: str) -> None:
    """What says something about a server is refused at load, key by key."""
    assert line in refused(tmp_path, {"a": DELIVERED | values})


@pytest.mark.fault("A43-9")
@pytest.mark.parametrize("folder", ["new", "tmp", "cur", "Inbox", ".Failed", "Failed/2026", "/Failed"])
def test_a_folder_that_the_spool_cannot_have(tmp_path: Path, folder: str) -> None:
    """A folder in which no mail could be filed is refused at load, not at each mail."""
    success = DELIVERED | {"after_success": "move", "success_folder": folder}
    assert "success_folder: cannot be a folder of the spool" in refused(tmp_path, {"a": success}).replace(
        f'success_folder = "{folder}"', "success_folder"
    )
    assert "cannot be a folder of the spool" in refused(tmp_path, {"a": DELIVERED | {"failure_folder": folder}})


def test_two_mailboxes_of_deliver_with_one_address(tmp_path: Path) -> None:
    """Two mailboxes that would take the same mail from the spool are refused; one that is read by IMAP is another."""
    assert "each message would be read twice" in refused(tmp_path, {"a": DELIVERED, "b": DELIVERED})
    loaded(tmp_path, {"a": DELIVERED, "b": BOX | {"address": "a@example.com"}})


SHARED_STORE = {"url": "postgresql+psycopg://u@db.example.com/mail"}


@pytest.mark.fault("A44-5")
@pytest.mark.parametrize(
    ("store", "redmine", "why"),
    [
        ({"lease_duration": "20s"}, {"settle": "20s"}, "lease_duration"),
        ({"lease_duration": "45s"}, {}, "45s is not less than redmine.settle (30s)"),
        ({"lease_duration": "1d"}, {"settle": "2d"}, "at least 3s, at most 1h"),
        ({"lease_duration": "90d"}, {"settle": "100d"}, "at least 3s, at most 1h"),
        ({"lease_duration": "1s"}, {}, "at least 3s, at most 1h"),
    ],
)
def test_a_lease_that_outlasts_settling(
    tmp_path: Path, store: dict[str, str], redmine: dict[str, str], why: str
) -> None:
    """On PostgreSQL a lease must be over before the result of a request is looked for; SQLite has none."""
    assert why in refused(tmp_path, {"a": BOX}, store=SHARED_STORE | store, redmine=redmine)
    if "at least" not in why:
        loaded(tmp_path, {"a": BOX}, store=store, redmine=redmine)


@pytest.mark.fault("A44-5")
def test_check_says_that_settling_is_too_short(tmp_path: Path) -> None:
    """Where only redmine.settle is set, `check` warns; the defaults fit."""
    for settle, warned in (("10s", True), ("11s", False)):
        loaded(tmp_path, {"a": BOX}, store=SHARED_STORE, redmine={"settle": settle})
        checks = settings_checks(load_with_origins(tmp_path / "settings.toml", {}))
        assert warned is any("may be written to Redmine twice" in check.words for check in checks)
    loaded(tmp_path, {"a": BOX}, store=SHARED_STORE)
    loaded(tmp_path, {"a": BOX}, redmine={"settle": "0s"})


@pytest.mark.fault("A44-10")
def test_a_lease_does_not_change_while_the_service_runs(tmp_path: Path) -> None:
    """Its store was opened with the old one, so that a new one would take no effect: that is said."""
    old = loaded(tmp_path, {"a": BOX}, store=SHARED_STORE)
    loaded(tmp_path, {"a": BOX}, store=SHARED_STORE | {"lease_duration": "20s"})
    with pytest.raises(SettingsError, match="lease_duration: cannot change while the service runs"):
        reload(old, tmp_path / "settings.toml", {})
