"""What is said of the sender."""

import pytest

from tests.unit.policy.world import plan_of


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"from": "kim"}, "from kim@client.example, no Redmine user (authentication unknown, trust authenticated)"),
        (
            {"from": "kim", "auth": "failed"},
            "from kim@client.example, no Redmine user (authentication failed by dmarc, trust authenticated)",
        ),
        (
            {"from": "anna"},
            (
                "from Anna@corp.example, who is not proven to be the Redmine user anna "
                "(authentication unknown, trust authenticated)"
            ),
        ),
        (
            {"from": "anna", "auth": "passed"},
            (
                "from Anna@corp.example, the Redmine user anna "
                "(authentication passed by dmarc, trust authenticated: trusted by the mail server)"
            ),
        ),
        ({"from": "lena", "auth": "passed"}, "from lena@corp.example, the locked Redmine user lena"),
        (
            {"from": "anna", "offline": "yes"},
            "from Anna@corp.example; offline, so it is unknown whether that is a Redmine user",
        ),
        ({"from": "nobody"}, "from nobody, no Redmine user (authentication unknown, trust authenticated)"),
    ],
)
def test_the_first_line_says_who_wrote_and_what_proves_it(row: dict[str, str], line: str) -> None:
    assert line == next(step for step in plan_of(row).steps if step.startswith("from "))
