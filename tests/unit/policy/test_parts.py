"""The small parts of routing: subject tags, patterns, text, brakes, explain."""

import datetime as dt
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from redmine_mailbridge.model.facts import Facts, User
from redmine_mailbridge.model.mail import Address, Automatic, LeftOut
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.explanation import as_json, as_lines
from redmine_mailbridge.policy.intake_limits import braked, first_taken
from redmine_mailbridge.policy.issue_text import left_out_lines, literal
from redmine_mailbridge.policy.patterns import address_fits
from redmine_mailbridge.policy.references import subject_tags
from redmine_mailbridge.policy.sender import Sender, joins, person_name
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.settings.issue import IssueSettings, Route
from redmine_mailbridge.settings.patterns import Pattern
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.settings.senders import CreateUser, SenderSettings
from tests.unit.policy.world import facts, identity, message, plan_of, route_of

REDMINES_TAG = re.compile(r"\[(?:[^\]]*\s+)?#(\d+)\]", re.ASCII)


@given(st.text(alphabet="[]# \t12aB", max_size=40))
def test_tags_are_read_as_redmine_reads_them(subject: str) -> None:
    """The first tag, read by hand, is the one that Redmine's expression finds."""
    found = REDMINES_TAG.search(subject)
    mine = subject_tags(subject)
    if found is not None and len(found[1]) <= 10:
        assert int(found[1]) == mine[0][0]
    elif found is None:
        assert () == mine


@pytest.mark.parametrize(
    "subject", ["[" * 100_000, "[ " * 100_000, "[" + " " * 200_000, "[#1" * 80_000, "#1]" * 80_000]
)
def test_hostile_subjects_are_linear(subject: str) -> None:
    """No subject of brackets and blanks makes the tag's grammar slow."""
    began = time.perf_counter()
    subject_tags(subject)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("expression", ["/(a+)+$/", "/(.*)*x/", "/(a|a)*b/", r"/(\w+\s?)*!/"])
def test_expressions_that_backtrack_elsewhere_are_linear(expression: str) -> None:
    """An admin's careless expression stays fast on a hostile mail."""
    began = time.perf_counter()
    assert Pattern(expression).search("a" * 50_000 + "c") is None or expression == "/(a+)+$/"
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("expression", ["/(?=a)/", r"/(a)\1/", "/(/", "/a**/"])
def test_unusable_expressions_are_refused_when_loaded(expression: str) -> None:
    """Look-around, back-references and broken expressions are a settings error, not a surprise on the first mail."""
    with pytest.raises(ValidationError, match="not a usable regular expression"):
        Rule(name="r", subject=expression)
    with pytest.raises(ValidationError, match="not a usable regular expression"):
        Route(senders={"block": [expression]})


def test_patterns() -> None:
    """Words are found in any case, expressions are searched, groups are returned."""
    assert {} == Pattern("OFFER").search("An offer")
    assert Pattern("offer") is not None
    assert Pattern("offers").search("An offer") is None
    assert {"n": "12"} == Pattern(r"/no\. (?P<n>\d+)/").search("NO. 12")
    assert {} == Pattern("/(?P<a>x)|y/").search("Y")
    assert {} == Pattern("*").search("")


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("example.com", "a@example.com", True),
        ("@example.com", "A@EXAMPLE.COM", True),
        ("example.com", "a@notexample.com", False),
        ("*.example.com", "a@x.example.com", True),
        ("*.example.com", "a@example.com", False),
        ("a@example.com", "A@example.com", True),
        ("a@example.com", "ba@example.com", False),
        ("example.com", "example.com", False),
        ("example.com", "", False),
    ],
)
def test_addresses_fit(pattern: str, address: str, *, fits: bool) -> None:
    """An address fits itself, a domain its own addresses, *.domain those below it."""
    assert fits is address_fits(pattern, address)


@pytest.mark.parametrize("bad", ["two words", ": x", "X-A:", "a b: c"])
def test_list_entries_that_nobody_can_match_are_refused(bad: str) -> None:
    """A slip in a block list is a settings error."""
    with pytest.raises(ValidationError):
        Route(senders={"block": [bad]})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Kim Client", ("Kim", "Client")),
        ("Client, Kim", ("Kim", "Client")),
        ("Kim van den Berg", ("Kim", "van den Berg")),
        ("Kim", ("Kim", "-")),
        ("kim@client.example", ("k", "c")),
        ("<b>\u202eKim", ("b", "Kim")),
        ("x" * 99, ("x" * 30, "-")),
        ("", ("k", "c")),
    ],
)
def test_names_of_new_users(name: str, expected: tuple[str, str]) -> None:
    """First and last name are never empty, at most 30 characters, and hold nothing that Redmine refuses."""
    assert expected == person_name(Address(name, "k.c@client.example"))


def test_strangers_words_are_code() -> None:
    """What a stranger calls himself cannot leave its code, nor start a line or a mention; it reads the same."""
    assert "<code>a b&#96;c {&#123;x}} &#64;admin &#35;1</code>" == literal("a\nb`c {{x}} @admin #1", "common_mark")
    assert "`a b`&#96;`c {`&#123;`x}}` &#64;`admin #1`" == literal("a\nb`c {{x}} @admin #1", "markdown")
    assert "&#60;<code>/code> {</code>&#123;<code>x}}</code>" == literal("</code> {{x}}", "textile")
    assert "<code>Kim <kim@client.example></code>" == literal("Kim <kim@client.example>", "textile")
    assert len(literal("x" * 10_000, "common_mark")) < 600


def test_left_out_parts_are_named_up_to_fifty() -> None:
    """A mail with a thousand refused files makes fifty lines and a count."""
    lines = left_out_lines(tuple(LeftOut(f"{n}.exe", "refused") for n in range(1000)), "common_mark").splitlines()
    assert "* `0.exe`: `refused`" == lines[2]
    assert "* and 950 more" == lines[-1]
    assert not left_out_lines((), "textile")


class TestBrakes:
    """How much is taken the first time, and when it stops."""

    seen = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)
    mails = (
        dt.datetime(2026, 5, 11, tzinfo=dt.UTC),
        dt.datetime(2026, 5, 15, tzinfo=dt.UTC),
        dt.datetime(2026, 5, 19, tzinfo=dt.UTC),
        dt.datetime(2026, 5, 20, 12, 1, tzinfo=dt.UTC),
    )

    def taken(self, **settings: object) -> tuple[dt.datetime, ...]:
        return first_taken(self.mails, lambda mail: mail, StartSettings(**settings), self.seen)

    def test_all_now_and_a_day(self) -> None:
        """start_from takes all, only what comes, or from a day on, that day included."""
        assert self.mails == self.taken()
        assert self.mails[3:] == self.taken(start_from="now")
        assert self.mails[1:] == self.taken(start_from="2026-05-15")

    def test_the_newest_up_to_the_limit(self) -> None:
        """first_sync_limit takes the newest, oldest first."""
        assert self.mails[2:] == self.taken(first_sync_limit=2)
        assert self.mails[3:] == self.taken(first_sync_limit=2, start_from="now")

    def test_unknown_times_count_as_new(self) -> None:
        """A mail whose arrival nobody knows is never left lying."""
        assert ("x",) == first_taken(("x",), lambda _: None, StartSettings(start_from="now"), self.seen)

    @pytest.mark.parametrize(
        ("new", "released", "stops"),
        [(0, None, False), (4, None, False), (5, None, False), (6, None, True), (6, 6, False), (7, 6, True)],
    )
    def test_brake(self, new: int, released: int | None, *, stops: bool) -> None:
        """More new mails than max_new_mails stop the mailbox, until so many are released."""
        assert stops is (braked(new, StartSettings(max_new_mails=5), released) is not None)

    def test_no_brake(self) -> None:
        """max_new_mails = 0 never stops."""
        assert braked(10**6, StartSettings(max_new_mails=0)) is None


def test_explain_prints_the_fixed_keys() -> None:
    """explain --json holds exactly the promised keys, in order."""
    row = {"kind": "list", "files": "yes", "offline": "yes"}
    found = as_json("a.eml", message(row), plan_of(row))
    wanted = (
        "file message_id from subject automatic plan issue project reason text quoted attachments left_out keywords"
    )
    assert wanted.split() == list(found)
    assert ("list", "create", None, "support") == tuple(found[k] for k in ("automatic", "plan", "issue", "project"))
    assert ["name", "content_type", "size", "sha256", "inline"] == list(found["attachments"][0])


def test_explain_tells_each_step() -> None:
    """The lines for people begin with the plan and name every step, file and refused part."""
    lines = as_lines(plan_of({"files": "left out", "ref": "tag:20"}))
    assert lines[0].startswith("new issue in support")
    assert any("#20 by the tag in the subject" in line for line in lines)
    assert any("virus.exe left out" in line for line in lines)


@pytest.mark.parametrize(("minutes", "groups"), [(1, ("All",)), (-5, ())])
def test_a_user_made_for_this_very_mail_joins_what_new_users_join(minutes: int, groups: tuple[str, ...]) -> None:
    """A crash between a new user and its groups loses no group: the next try sees that the user is younger."""
    kept = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    user = User(5, "kim", "Kim", created_on=kept + dt.timedelta(minutes=minutes))
    sender = Sender(Address("Kim", "kim@client.example"), user=user, proven=True)
    route = Route(
        issue=IssueSettings(project="support", unknown_sender="create"),
        senders=SenderSettings(create=CreateUser(groups=("All",))),
    )
    facts = Facts(now=kept, can_impersonate=True, kept_at=kept)
    assert groups == joins(sender, None, route, facts)


@pytest.mark.parametrize("closed", ['closed_reply = "new"', 'closed_reply = "reopen"; reopen_within = "1h"'])
def test_what_may_change_no_status_starts_nothing_anew(closed: str) -> None:
    """A mail that may not change a status is a note on the closed issue that it answers; a person's begins anew."""
    row = {"from": "kim", "ref": "known:30", "set": closed}
    machine = replace(message(row), automatic=Automatic(rule="a header", may_change_status=False))
    people, machines = (
        decide(one, route_of(closed, row), identity(row), facts(row)) for one in (message(row), machine)
    )
    assert ("create", None) == (people.action, people.issue)
    assert ("note", 30, None) == (machines.action, machines.issue, machines.fields.status_id)


def test_no_user_is_made_of_an_address_that_redmine_calls_taken() -> None:
    """A stranger's mail of an address that belongs to somebody whom Redmine does not tell makes the issue all the same:
    the bridge's own user writes it and names the sender, and the record says why no user was made.
    """
    row = {"from": "kim", "unknown": "create"}
    known = replace(facts(row), taken_addresses=frozenset({"kim@client.example"}))
    plan = decide(message(row), route_of("", row), identity(row), known)
    made = decide(message(row), route_of("", row), identity(row), facts(row))
    assert ("create", None, None) == (plan.action, plan.new_user, plan.act_as)
    assert made.new_user is not None
    assert "kim@client.example" in plan.text
    assert any("whom the API does not name" in step for step in plan.steps)
