"""What scripts/demo shows is what is there."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.servers import demo, services
from tests.servers.demo_mails import demo_mails
from tests.servers.fixtures import Redmine

pytestmark = pytest.mark.real


def test_the_demo(servers: services.State, redmine: Redmine, tmp_path: Path) -> None:
    """Twice in a row, each mail comes to its end, each link leads to an issue, and no line is wider than 100."""
    for _ in range(2):
        out = io.StringIO()
        code = demo.show_bridge(servers, tmp_path, Console(file=out, width=demo.WIDTH))
        shown = out.getvalue()
        links = [int(number) for number in re.findall(rf"{re.escape(redmine.url)}/issues/(\d+)", shown)]
        subjects = {redmine.admin.issue(number)["subject"] for number in links}
        table = shown[: shown.index("start-up included")]

        assert 0 == code, shown
        assert "not seen" not in shown
        assert 7 == len(links)
        assert 6 == len(set(links))
        assert {"The printer on floor 2 is jammed", "What does this light mean?", "見積もりのお願い"} < subjects
        assert demo.WIDTH >= max(len(line.rstrip()) for line in table.splitlines())


def test_the_demos_mails_have_keys_of_their_own() -> None:
    """No two mails of two runs have the same key, so that no row of the table speaks of another mail."""
    keys = [mail.key for run in ("a", "b") for mail in demo_mails(run)]
    assert len(keys) == len(set(keys))


def test_a_demo_that_cannot_begin(servers: services.State, tmp_path: Path) -> None:
    """It ends at the first pass, with the reason, in place of trying for a minute."""
    (tmp_path / "mailbridge.db").write_bytes(b"of another program" * 99)
    out = io.StringIO()
    assert 1 == demo.show_bridge(servers, tmp_path, Console(file=out, width=demo.WIDTH))
    assert 1 == (tmp_path / "bridge.log").read_text().count("file is not a database")
    assert "file is not a database" in out.getvalue().rpartition("says why:")[2]
