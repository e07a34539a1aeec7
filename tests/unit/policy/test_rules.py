"""Rules of a mailbox: what a condition looks at."""

from dataclasses import replace

from redmine_mailbridge.model.mail import Body
from redmine_mailbridge.policy.rules import rule_fits
from redmine_mailbridge.settings.rules import Rule
from tests.unit.policy.world import message


def test_a_rule_about_the_text_looks_at_what_is_quoted_too() -> None:
    rule = Rule(name="forwarded", text="/contract (?P<number>[0-9]+)/", action="ignore")
    mail = replace(message({}), body=Body("See below", "> contract 17", "See below\n> contract 17", "text"))
    assert {"number": "17"} == rule_fits(rule, mail)
    assert None is rule_fits(rule, replace(mail, body=Body("See below", "", "See below", "text")))
