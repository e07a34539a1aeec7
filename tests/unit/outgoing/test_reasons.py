"""Why a time-based rule is due, in the language of its mail."""

import pytest

from redmine_mailbridge.outgoing.reasons import RuleReason
from redmine_mailbridge.policy.time_rules.due import SAID, span_text
from redmine_mailbridge.settings.time_rules import parse_age

SPANS = ("1d", "3d", "1h", "36h", "90m", "61s", "1 business hour", "4 business hours", "30 business minutes")


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("span", SPANS)
def test_every_reason_has_german_words(name: str, span: str) -> None:
    """No reason that a rule may give, with any span, has an English word in German mail."""
    english = RuleReason(SAID[name].format(span_text(parse_age(span))))
    german = english.in_language("de-AT")
    words = {"no", "word", "first", "answer", "from", "the", "customer", "an", "agent", "for", "this", "created", "ago"}
    units = {"day", "days", "hour", "hours", "minutes", "seconds", "business"}
    assert set() == set(german.split()) & (words | units)
    assert english.split()[-1].isalpha()
    assert english == english.in_language("fr") == english.in_language("")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("no first answer for 4 business hours", "seit 4 Geschäftsstunden keine erste Antwort"),
        ("no word for 3 days and created 1 hour ago", "seit 3 Tagen keine Nachricht und vor 1 Stunde angelegt"),
        ("no word for 3 days and something else", "seit 3 Tagen keine Nachricht und something else"),
        ("", ""),
    ],
)
def test_conditions_are_joined(english: str, german: str) -> None:
    """Several conditions are one line; one that is not known stays as it is."""
    assert german == RuleReason(english).in_language("de")
