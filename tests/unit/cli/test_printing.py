"""What a pass says at its end."""

import pytest

from redmine_mailbridge.cli.output import Printer


def test_who_could_not_look_does_not_say_that_there_is_no_mail(capsys: pytest.CaptureFixture[str]) -> None:
    """A pass without mail says so; one that failed says only what went wrong, and ends with exit code 1."""
    Printer(as_json=False).end([])
    assert ("no new mail\n", "") == capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        Printer(as_json=False).end(["desk: cannot connect"])
    assert 1 == ended.value.code
    assert ("", "desk: cannot connect\n") == capsys.readouterr()
