"""The policy of the rules of time: one row a case. Read CASES from the top, and you know what a rule does when.

An issue is made on Monday, 16 November 2026, at 09:00 in Berlin, status New, priority Normal, tracker Support, project
support, mailbox desk, nobody's. Its history is told in words, each entry with the hours since then; a rule by its
conditions; `at` is the hour at which it is looked at. The outcome is the number of the entry that is the trigger event
(0: the issue's making), or None when the rule is not due. A rule acts once for each trigger event.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.business_time.business_hours import ALWAYS, Calendar
from redmine_mailbridge.policy.time_rules import due as timing
from redmine_mailbridge.policy.time_rules.due import RuleMatch
from redmine_mailbridge.settings.time_rules import TimeRule, parse_age
from tests.unit.business_time.test_business_hours import HOLIDAYS, HOUR, OFFICE, at, calendar

MADE = at("2026-11-16 09:00")
OFFICE_HOURS = calendar(*OFFICE, holidays=HOLIDAYS)


@dataclass(frozen=True)
class Issue:
    id: int = 7
    mailbox: str = "desk"
    project: str = "support"
    tracker: str = "Support"
    status: str = "New"
    closed: bool = False
    priority: str = "Normal"
    assignee_id: int | None = None
    created_on: float = MADE
    begun_on: float | None = None

    @property
    def since(self) -> float:
        return self.created_on if self.begun_on is None else self.begun_on


@dataclass(frozen=True)
class Entry:
    id: int
    at: float
    side: str
    has_notes: bool
    private: bool
    status_to: str | None
    mail_id: int | None


def history(text: str) -> list[Entry]:
    """Given "1 agent, 30 customer by mail, 40 agent privately, 50 bridge status Open", return the entries."""
    entries = []
    for number, part in enumerate(filter(None, text.split(", ")), 1):
        hour, side, *words = part.split()
        status = words[words.index("status") + 1] if "status" in words else None
        silent = "only" in words or ("status" in words and "note" not in words)
        entries.append(
            Entry(
                id=number,
                at=MADE + float(hour) * HOUR,
                side=side,
                has_notes=not silent,
                private="privately" in words,
                status_to=status,
                mail_id=1 if "mail" in words else None,
            )
        )
    return entries


def rule(when: dict[str, Any]) -> TimeRule:
    return TimeRule.model_validate({"name": "r", "when": when, "then": {"status": "Closed"}})


def due(one: TimeRule, of: Issue, past: list[Entry], now: float, kept: Calendar) -> RuleMatch | None:
    """What the policy says where each note of an agent went to the customer by mail."""
    return timing.due(one, of, past, now, kept, mailed=lambda _note: True)


def issue(**changed: Any) -> Issue:
    return Issue(**changed)


AFTER_3 = {"customer_silent": "3d", "waiting_for": "customer"}
AFTER_14 = {"agent_silent": "14d", "waiting_for": "customer"}
FIRST = {"no_answer": "4 business hours"}
OLD = {"created": "1h"}
FOR_AGENT = {**OLD, "waiting_for": "agent"}
FOR_CUSTOMER = {**OLD, "waiting_for": "customer"}
LEFT_ALONE = {"agent_silent": "1d", "waiting_for": "agent"}
TWO = {"created": "2d", "silent": "8 business hours"}
MANY = {**OLD, "statuses": ["New"], "projects": ["support"], "assigned": False}

CASES: list[tuple[str, dict[str, Any], str, float, dict[str, Any], int | None]] = [
    # --- remind after 3 days: an agent has asked, the customer's side is silent
    ("nobody has answered yet: it is not the customer's turn", AFTER_3, "", 100, {}, None),
    ("an agent asked, the customer wrote 3 days ago", AFTER_3, "1 agent", 72, {}, 1),
    ("a moment before", AFTER_3, "1 agent", 71.99, {}, None),
    ("the customer has answered since", AFTER_3, "1 agent, 2 customer", 100, {}, None),
    ("an agent asked again: 3 days from the customer's word", AFTER_3, "1 agent, 2 customer, 3 agent", 74, {}, 3),
    ("not yet", AFTER_3, "1 agent, 2 customer, 3 agent", 73, {}, None),
    ("an agent's second question is another trigger event", AFTER_3, "1 agent, 50 agent", 80, {}, 2),
    ("the bridge's own reminder is none", AFTER_3, "1 agent, 72 bridge", 200, {}, 1),
    ("nor is the bridge's change of status", AFTER_3, "1 agent, 72 bridge status Waiting", 200, {}, 1),
    ("an agent's private note is not for the customer", AFTER_3, "1 agent privately", 100, {}, None),
    ("and makes no new trigger event", AFTER_3, "1 agent, 50 agent privately", 100, {}, 1),
    ("nor does an agent's change without a note", AFTER_3, "1 agent, 50 agent status Waiting", 100, {}, 1),
    ("an agent's answer by mail counts", AFTER_3, "1 agent by mail", 100, {}, 1),
    ("a customer's mail with only a file counts", AFTER_3, "1 agent, 2 customer only by mail", 100, {}, None),
    ("a customer's change in Redmine without a note does not", AFTER_3, "1 agent, 2 customer only", 100, {}, 1),
    ("closed issues are left alone", AFTER_3, "1 agent", 100, {"closed": True}, None),
    # --- close 14 days after an agent's last word
    ("14 days after", AFTER_14, "1 agent", 337, {}, 1),
    ("a moment before", AFTER_14, "1 agent", 336.9, {}, None),
    ("counted from the agent's last word", AFTER_14, "1 agent, 300 agent", 337, {}, None),
    ("and due later", AFTER_14, "1 agent, 300 agent", 636, {}, 2),
    ("the reminder between does not put it off", AFTER_14, "1 agent, 73 bridge", 337, {}, 1),
    ("a private note does not put it off", AFTER_14, "1 agent, 300 agent privately", 337, {}, 1),
    ("the customer has answered", AFTER_14, "1 agent, 330 customer", 337, {}, None),
    ("and still has when 14 more days are over", AFTER_14, "1 agent, 330 customer", 900, {}, None),
    ("until an agent writes again: a new trigger event", AFTER_14, "1 agent, 330 customer, 331 agent", 667, {}, 3),
    ("no agent ever wrote", AFTER_14, "1 customer", 900, {}, None),
    ("closed, and reopened by the customer", AFTER_14, "1 agent, 337 bridge status X, 400 customer", 900, {}, None),
    # --- no first answer in 4 business hours
    ("after 4 hours of the first day", FIRST, "", 4, {}, 0),
    ("a moment before", FIRST, "", 3.99, {}, None),
    ("an agent answered", FIRST, "3 agent", 5, {}, None),
    ("an agent answered by mail", FIRST, "3 agent by mail", 5, {}, None),
    ("an agent's private note is no answer", FIRST, "3 agent privately", 5, {}, 0),
    ("an agent's change of status is no answer", FIRST, "3 agent status Open", 5, {}, 0),
    ("the bridge's note is no answer", FIRST, "3 bridge", 5, {}, 0),
    ("the customer's second mail is none, and no new trigger event", FIRST, "3 customer by mail", 5, {}, 0),
    ("made on Monday at 16:00: Tuesday, 12:00", FIRST, "", 7 + 20, {"created_on": MADE + 7 * HOUR}, 0),
    ("made on Monday at 16:00: not by Tuesday, 11:59", FIRST, "", 7 + 19.9, {"created_on": MADE + 7 * HOUR}, None),
    ("made on Friday at 16:00: Monday, 12:00", FIRST, "", 103 + 68, {"created_on": MADE + 103 * HOUR}, 0),
    ("made on Friday at 16:00: not on Sunday", FIRST, "", 103 + 50, {"created_on": MADE + 103 * HOUR}, None),
    ("made on Christmas Eve, which has 3 hours", FIRST, "", 1008, {"created_on": at("2026-12-24 08:00")}, None),
    ("and the 28th brings the fourth", FIRST, "", 1009, {"created_on": at("2026-12-24 08:00")}, 0),
    ("a first answer long after is still one", FIRST, "500 agent", 501, {}, None),
    ("4 hours by the clock know no night", {"no_answer": "4h"}, "", 7 + 4, {"created_on": MADE + 7 * HOUR}, 0),
    ("30 business minutes", {"no_answer": "30 business minutes"}, "", 0.5, {}, 0),
    ("29 of them", {"no_answer": "30 business minutes"}, "", 0.48, {}, None),
    # --- the customer's silence alone
    ("silent since the issue was made", {"customer_silent": "3d"}, "", 72, {}, 0),
    ("a moment before", {"customer_silent": "3d"}, "", 71.9, {}, None),
    ("an agent's word does not matter", {"customer_silent": "3d"}, "71 agent", 72, {}, 0),
    ("a new mail begins anew", {"customer_silent": "3d"}, "71 customer by mail", 72, {}, None),
    ("and is the trigger event", {"customer_silent": "3d"}, "71 customer by mail", 143, {}, 1),
    ("the last of them", {"customer_silent": "3d"}, "1 customer, 2 customer, 3 agent", 74, {}, 2),
    ("in business hours", {"customer_silent": "8 business hours"}, "", 8, {}, 0),
    ("which the night has not", {"customer_silent": "9 business hours"}, "", 20, {}, None),
    ("and the next morning has", {"customer_silent": "9 business hours"}, "", 25, {}, 0),
    # --- the agents' silence alone
    ("no agent has ever written", {"agent_silent": "1d"}, "", 100, {}, None),
    ("an agent wrote a day ago", {"agent_silent": "1d"}, "1 agent", 25, {}, 1),
    ("a moment before", {"agent_silent": "1d"}, "1 agent", 24.9, {}, None),
    ("the customer asked again: another trigger event", {"agent_silent": "1d"}, "1 agent, 2 customer", 25, {}, 2),
    ("a private note does not count", {"agent_silent": "1d"}, "1 agent, 20 agent privately", 25, {}, 1),
    ("nor does one by the bridge", {"agent_silent": "1d"}, "1 agent, 20 bridge", 25, {}, 1),
    ("waiting for an agent who once wrote", LEFT_ALONE, "1 agent, 2 customer", 25, {}, 2),
    ("but it is the customer's turn", LEFT_ALONE, "1 agent", 25, {}, None),
    # --- nobody's word
    ("no word since it was made", {"silent": "1d"}, "", 24, {}, 0),
    ("an agent wrote", {"silent": "1d"}, "1 agent", 24, {}, None),
    ("an agent wrote privately: somebody cares", {"silent": "1d"}, "1 agent privately", 24, {}, None),
    ("a day later", {"silent": "1d"}, "1 agent privately", 25, {}, 1),
    ("the customer wrote", {"silent": "1d"}, "1 agent, 2 customer", 25, {}, None),
    ("the bridge wrote: nobody did", {"silent": "1d"}, "1 bridge", 24, {}, 0),
    ("a change without a word is none", {"silent": "1d"}, "1 agent status Open", 24, {}, 0),
    # --- how long it has had its status
    ("since it was made", {"in_status": "2d"}, "", 48, {}, 0),
    ("a moment before", {"in_status": "2d"}, "", 47.9, {}, None),
    ("an agent changed it", {"in_status": "2d"}, "10 agent status Open", 48, {}, None),
    ("two days later: that is the trigger event", {"in_status": "2d"}, "10 agent status Open", 58, {}, 1),
    ("a note does not change the status", {"in_status": "2d"}, "10 agent", 48, {}, 1),
    ("the bridge changed it: the span begins anew", {"in_status": "2d"}, "10 bridge status Open", 48, {}, None),
    ("but it is no new trigger event: two rules cannot play ball", {"in_status": "2d"}, "10 bridge status Open", 58, {},
     0),
    ("the customer's mail reopened it", {"in_status": "2d"}, "10 customer status Open note", 58, {}, 1),
    # --- how old it is
    ("an hour old", OLD, "", 1, {}, 0),
    ("younger", OLD, "", 0.9, {}, None),
    ("whatever was written: once in its life", OLD, "0.1 agent, 0.2 customer", 1, {}, 0),
    ("in business hours", {"created": "16 business hours"}, "", 32, {}, 0),
    ("not in the night before", {"created": "16 business hours"}, "", 31.9, {}, None),
    ("from the future (clocks differ)", OLD, "", -5, {}, None),
    # --- a conversation that began in Redmine, a day after the issue was made
    ("no answer since it began", {"no_answer": "1d"}, "", 48, {"begun_on": MADE + 24 * HOUR}, 0),
    ("a moment before", {"no_answer": "1d"}, "", 47.9, {"begun_on": MADE + 24 * HOUR}, None),
    ("the customer is silent since then", {"customer_silent": "1d"}, "", 47.9, {"begun_on": MADE + 24 * HOUR}, None),
    ("everyone is", {"silent": "1d"}, "", 47.9, {"begun_on": MADE + 24 * HOUR}, None),
    ("its status counts since then", {"in_status": "1d"}, "", 47.9, {"begun_on": MADE + 24 * HOUR}, None),
    ("its age since it was made", {"created": "1d"}, "", 24, {"begun_on": MADE + 24 * HOUR}, 0),
    # --- two spans: both must have passed, and the newest event is the trigger event
    ("both have", {"created": "2h", "customer_silent": "1h"}, "1 customer", 2, {}, 1),
    ("one has not", {"created": "2h", "customer_silent": "1h"}, "1.5 customer", 2, {}, None),
    ("both, one by the clock and one in business hours", TWO, "30 agent", 54, {}, 1),
    ("the second is not over", TWO, "31 agent", 53, {}, None),
    # --- whose turn it is
    ("a new issue waits for an agent", FOR_AGENT, "", 1, {}, 0),
    ("not for the customer", FOR_CUSTOMER, "", 1, {}, None),
    ("answered: it waits for the customer", FOR_CUSTOMER, "0.5 agent", 1, {}, 1),
    ("not for an agent", FOR_AGENT, "0.5 agent", 1, {}, None),
    ("answered and asked: it waits for an agent", FOR_AGENT, "0.5 agent, 0.6 customer", 1, {}, 2),
    ("a private answer leaves it waiting", FOR_AGENT, "0.5 agent privately", 1, {}, 0),
    ("the bridge's note changes nobody's turn", FOR_CUSTOMER, "0.5 agent, 0.6 bridge", 1, {}, 1),
    ("a second question of the customer is a new trigger event", FOR_AGENT, "0.5 customer, 0.7 customer", 1, {}, 2),
    # --- which issues
    ("status New", {**OLD, "statuses": ["New"]}, "", 1, {}, 0),
    ("in any case", {**OLD, "statuses": ["nEW"]}, "", 1, {}, 0),
    ("one of several", {**OLD, "statuses": ["Open", "New"]}, "", 1, {}, 0),
    ("another status", {**OLD, "statuses": ["Open"]}, "", 1, {}, None),
    ("project", {**OLD, "projects": ["support"]}, "", 1, {}, 0),
    ("another project", {**OLD, "projects": ["sales"]}, "", 1, {}, None),
    ("mailbox", {**OLD, "mailboxes": ["desk"]}, "", 1, {}, 0),
    ("another mailbox", {**OLD, "mailboxes": ["shop"]}, "", 1, {}, None),
    ("tracker", {**OLD, "trackers": ["support"]}, "", 1, {}, 0),
    ("another tracker", {**OLD, "trackers": ["Bug"]}, "", 1, {}, None),
    ("priority", {**OLD, "priorities": ["Normal", "High"]}, "", 1, {}, 0),
    ("another priority", {**OLD, "priorities": ["High"]}, "", 1, {}, None),
    ("nobody's", {**OLD, "assigned": False}, "", 1, {}, 0),
    ("somebody's", {**OLD, "assigned": False}, "", 1, {"assignee_id": 3}, None),
    ("somebody's, as wished", {**OLD, "assigned": True}, "", 1, {"assignee_id": 3}, 0),
    ("nobody's, against the wish", {**OLD, "assigned": True}, "", 1, {}, None),
    ("closed", OLD, "", 1, {"closed": True}, None),
    ("closed, as wished", {**OLD, "closed": True}, "", 1, {"closed": True}, 0),
    ("open, against the wish", {**OLD, "closed": True}, "", 1, {}, None),
    ("all of it together", {**MANY, "priorities": ["Normal"]}, "", 1, {}, 0),
    ("all but one", {**MANY, "priorities": ["Low"]}, "", 1, {}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("when", "told", "hour", "changed", "trigger_event"),
    [case[1:] for case in CASES],
    ids=[f"{n}: {case[0]}" for n, case in enumerate(CASES)],
)
def test_policy(
    when: dict[str, Any], told: str, hour: float, changed: dict[str, Any], trigger_event: int | None
) -> None:
    """A rule is due for an issue exactly when the table says so, and for that trigger event."""
    one = issue(**changed)
    found = due(rule(when), one, history(told), MADE + hour * HOUR, OFFICE_HOURS)

    assert trigger_event == (None if found is None else found.trigger_event)


def test_the_table_is_read_as_it_is_written() -> None:
    """The table's words make the entries that they say."""
    first, second, third = history("1 agent privately, 2 customer only by mail, 3 bridge status Open")

    assert (1, "agent", True, True) == (first.id, first.side, first.has_notes, first.private)
    assert ("customer", False, 1) == (second.side, second.has_notes, second.mail_id)
    assert ("bridge", False, "Open") == (third.side, third.has_notes, third.status_to)


def test_the_reason_is_what_an_agent_reads() -> None:
    """An application says in words why it is due."""
    found = due(rule({"no_answer": "4 business hours", "created": "1d"}), issue(), [], MADE + 30 * HOUR, OFFICE_HOURS)

    assert found is not None
    assert "no first answer for 4 business hours and created 1 day ago" == found.reason


spans = st.sampled_from(["30m", "3h", "3d", "14d", "4 business hours", "20 business hours", "90 business minutes"])
ages = st.dictionaries(
    st.sampled_from(["no_answer", "customer_silent", "agent_silent", "silent", "in_status", "created"]),
    spans,
    min_size=1,
    max_size=3,
)
turns = st.sampled_from([{}, {"waiting_for": "customer"}, {"waiting_for": "agent"}])
words = st.sampled_from(["", " privately", " only", " status Open", " status Open note", " by mail", " only by mail"])
entries = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["agent", "customer", "bridge"]), words), max_size=6
).map(lambda found: ", ".join(f"{h} {side}{word}" for h, side, word in sorted(found)))
calendars: st.SearchStrategy[Calendar] = st.sampled_from([OFFICE_HOURS, ALWAYS])


@given(ages, turns, entries, calendars)
def test_due_from_one_instant_on(when: dict[str, Any], turn: dict[str, Any], told: str, kept: Calendar) -> None:
    """While nothing happens, a rule is never due before its instant, and always from then on."""
    one, past = issue(), history(told)
    found = due(rule(when | turn), one, past, MADE + 10_000 * HOUR, kept)
    if found is None:
        return
    assert found == due(rule(when | turn), one, past, found.at, kept)
    assert due(rule(when | turn), one, past, found.at - 1, kept) is None


@given(ages, turns, entries, st.integers(0, 400), calendars)
def test_what_the_bridge_does_makes_no_rule_new(
    when: dict[str, Any], turn: dict[str, Any], told: str, hour: int, kept: Calendar
) -> None:
    """However often the bridge writes, notes and changes of status alike, the trigger event stays: no rule feeds
    itself."""
    one, past = issue(), history(told)
    more = [*past, Entry(99, MADE + (400 + hour) * HOUR, "bridge", True, False, "Open", None)]
    before = due(rule(when | turn), one, past, MADE + 10_000 * HOUR, kept)
    after = due(rule(when | turn), one, more, MADE + 10_000 * HOUR, kept)

    assert (before is None) == (after is None)
    assert before is None or after is None or before.trigger_event == after.trigger_event


@given(st.sampled_from(["customer_silent", "silent"]), spans, entries, calendars)
def test_a_customers_new_mail_makes_a_rule_new(name: str, span: str, told: str, kept: Calendar) -> None:
    """A mail of the customer puts a rule about silence off, and is a trigger event that it has not acted on."""
    one, past = issue(), history(told)
    mailed = MADE + 401 * HOUR
    more = [*past, Entry(99, mailed, "customer", True, False, None, 5)]
    before = due(rule({name: span}), one, past, mailed, kept)

    assert due(rule({name: span}), one, more, mailed, kept) is None
    after = due(rule({name: span}), one, more, MADE + 10_000 * HOUR, kept)
    assert after is not None
    assert 99 == after.trigger_event
    assert before is None or before.trigger_event != after.trigger_event


@pytest.mark.parametrize(
    ("told", "mailed", "turn"),
    [
        ("1 agent", set(), ""),
        ("1 agent", {1}, "customer"),
        ("1 agent, 2 agent", {1}, "customer"),
        ("1 agent, 2 customer, 3 agent", {1}, ""),
        ("1 agent, 2 customer, 3 agent", {3}, "customer"),
        ("1 agent, 2 customer", {1}, "agent"),
        ("1 agent privately", {1}, "agent"),
    ],
)
def test_nobody_waits_for_the_answer_to_a_note_that_nobody_got(told: str, mailed: set[int], turn: str) -> None:
    """It is the customer's turn only when a note since the customer's last word went to the customer by mail."""
    for who in ("customer", "agent"):
        one = rule({"silent": "1d", "waiting_for": who})
        found = timing.due(one, issue(), history(told), MADE + 100 * HOUR, ALWAYS, mailed=mailed.__contains__)
        assert (who == turn) == (found is not None), who


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("90s", "90 seconds"),
        ("1s", "1 second"),
        ("1m", "1 minute"),
        ("90m", "90 minutes"),
        ("36h", "36 hours"),
        ("3d", "3 days"),
        ("2 business hours", "2 business hours"),
        ("60 business minutes", "1 business hour"),
        ("90 business minutes", "90 business minutes"),
    ],
)
def test_a_span_is_said_in_its_largest_whole_unit(text: str, words: str) -> None:
    assert words == timing.span_text(parse_age(text))
