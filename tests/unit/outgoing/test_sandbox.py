"""What a template cannot do: change anything, fill the memory, go on for ever."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.outgoing.template_variables import EXAMPLES
from redmine_mailbridge.outgoing.templates import Templates


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ isue.id }}", "isue"),
        ("{{ issue.nothing }}", "nothing"),
        ("{{ 'x' * 10**9 }}", "not allowed on texts"),
        ("{% for i in range(10**9) %}{{ i }}{% endfor %}", "too big"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps"),
        ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", ""),
        ("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}", "steps"),
        ("{% set x = 'xxxx' %}" + "{% set x = x ~ x %}" * 40, "too long"),
        ("{% set x = 'xxxx' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40, "too long"),
        ("{% for i in range(19000) %}" + "a line of some length\n" * 12 + "{% endfor %}", "too long"),
        ("{{ 'x'.ljust(10**9) }}", "unsafe"),
        ("{{ '{:>1000000000}'.format(1) }}", "unsafe"),
        ("{{ (1).to_bytes(10**9) }}", "unsafe"),
        ("{{ 'x'|center(10**9) }}", "No filter named 'center'"),
        ("{{ range(50000)|join('-') }}", "too long"),
        ("{{ range(9000)|join('" + "-" * 600 + "') }}", "too long"),
        ("{{ issue.subject" + "|replace('', issue.subject)" * 9 + " }}", "too long"),
        ("{{ 10**10**10 }}", "too large"),
        ("{{ lipsum(10**6) }}", "lipsum"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% if %}", "line 1"),
    ],
)
def test_a_faulty_template_is_named(tmp_path: Path, source: str, says: str) -> None:
    """An admin's template that is wrong or harmful ends in an error with its file and what is wrong."""
    folder = tmp_path / "received" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("x")
    (folder / "body.txt").write_text(source)
    with pytest.raises(SettingsError, match=r"body\.txt") as error:
        Templates(tmp_path).render("received", "en", EXAMPLES["received"])
    assert says in str(error.value)
