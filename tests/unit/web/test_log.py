"""The log on a page: its last lines, filtered, whole for downloading, and fed by the service."""

import json
import logging

import structlog

from redmine_mailbridge.cli import logging as log
from redmine_mailbridge.settings.models import LogSettings
from redmine_mailbridge.store import admin_sessions
from redmine_mailbridge.tasks.service.log_buffer import kept_in
from tests.unit.web.site import Site


def line(number: int, level: str = "info", mailbox: str = "") -> dict[str, object]:
    return {"timestamp": 1e9 + number, "level": level, "event": f"event-{number}", "mailbox": mailbox, "number": number}


def test_the_last_lines(site: Site) -> None:
    """The page shows the newest 500 lines, newest first, of the level and mailbox that are asked for."""
    site.sign_in()
    site.desk.log_buffer.add([line(n, "error" if n % 2 else "info", "sales" if n % 4 == 1 else "") for n in range(600)])

    page = site.browser.get("/log").text
    assert 500 == page.count("<b>event-")
    assert page.index("event-599<") < page.index("event-100<")
    assert 300 == site.browser.get("/log?level=error").text.count("<b>event-")
    sales = site.browser.get("/log?level=error&mailbox=sales").text
    assert (150, 1) == (sales.count("<b>event-"), sales.count("event-597<"))


def test_what_is_new(site: Site) -> None:
    """The live part asks for what came after the last line it has, and gets that only."""
    site.sign_in()
    site.desk.log_buffer.add([line(1), line(2)])
    (newest, _) = site.desk.log_buffer.entries()
    site.desk.log_buffer.add([line(3)])

    text = site.browser.get(f"/log/new?after={newest.id}").text
    assert "event-3" in text
    assert "event-2" not in text
    assert f"after={newest.id + 1}" in text


def test_the_download(site: Site, monkeypatch: object) -> None:
    """The download holds the lines that are kept, oldest first, one JSON object each; older ones are gone."""
    site.sign_in()
    site.desk.log_buffer.add([line(n) for n in range(admin_sessions.KEPT_ENTRIES)])
    site.desk.log_buffer.add([line(9000)])
    values = [json.loads(text) for text in site.browser.get("/log/download").text.splitlines()]

    assert admin_sessions.KEPT_ENTRIES == len(values)
    assert ("event-1", "event-9000") == (values[0]["event"], values[-1]["event"])
    assert 1 == values[0]["number"]


def test_the_service_feeds_it(site: Site) -> None:
    """What the log says is kept, without secrets, and still after the settings of the log have changed."""
    handlers, config = logging.getLogger().handlers[:], structlog.get_config()
    try:
        log.configure(LogSettings(level="info"))
        with kept_in(site.desk.log_buffer):
            log.configure(LogSettings(level="info"))
            structlog.get_logger("x").warning("station.event", mailbox="sales", password="hunter2", number=3)
            logging.getLogger("library").warning("its words")
        first, second = reversed(site.desk.log_buffer.entries())
    finally:
        logging.getLogger().handlers[:] = handlers
        structlog.configure(**config)

    assert ("warning", "station.event", "sales", 3) == (first.level, first.event, first.mailbox, first.values["number"])
    assert "(withheld)" == first.values["password"]
    assert ("its words", "library") == (second.event, second.values["logger"])
