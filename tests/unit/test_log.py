"""Logs: what stands in them, and what never does."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog
from structlog.testing import capture_logs

from redmine_mailbridge.cli import logging as log
from redmine_mailbridge.model.mail import Body
from redmine_mailbridge.settings.models import LogSettings
from redmine_mailbridge.util import redaction


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Leave structlog and the root logger as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in log.QUIET}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def configured(
    form: Literal["console", "json"] = "json", level: Literal["debug", "info", "warning"] = "info"
) -> io.StringIO:
    stream = io.StringIO()
    log.configure(LogSettings(format=form, level=level), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_mail_in_hand_is_bound() -> None:
    """Within the block each line names the mail; after it none does."""
    stream = configured()
    logger = structlog.get_logger("redmine_mailbridge.tasks.receive.receiver")
    with structlog.contextvars.bound_contextvars(mailbox="support", uid="17", message_id="a@example.com"):
        logger.info("receive.done", issue=4)
    logger.info("receive.idle")
    first, second = lines(stream)

    assert ("support", "17", "a@example.com", 4) == tuple(first[k] for k in ("mailbox", "uid", "message_id", "issue"))
    assert ("info", "redmine_mailbridge.tasks.receive.receiver") == (first["level"], first["logger"])
    assert str(first["timestamp"]).endswith("Z")
    assert "mailbox" not in second


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "key",
    [
        "password",
        "api_key",
        "apikey",
        "access_token",
        "Authorization",
        "client_secret",
        "body",
        "text",
        "raw",
        "quoted",
        "notes",
    ],
)
def test_secrets_and_bodies_are_withheld(form: Literal["console", "json"], key: str) -> None:
    """A key that names a secret or a mail's text is withheld, also within tables and lists."""
    stream = configured(form)
    logger = structlog.get_logger("x")
    logger.info("e", **{key: "hunter2"})
    logger.info("e", answer={"inner": {key: "hunter2"}}, many=[{key: ["hunter2"]}])

    assert "hunter2" not in stream.getvalue()
    assert redaction.WITHHELD in stream.getvalue()


def test_values_that_may_hold_a_mail_are_named_only() -> None:
    """Bytes are counted and objects named by type, since either may hold a mail."""
    stream = configured()
    structlog.get_logger("x").info("e", data=b"Dear support", what=Body(written="Dear support"))

    assert ("(12 bytes)", "(Body)") == (lines(stream)[0]["data"], lines(stream)[0]["what"])


def test_numbers_named_like_secrets_stay() -> None:
    """A count is no secret."""
    stream = configured()
    structlog.get_logger("x").info("e", tokens=5, text=3)

    assert (5, 3) == (lines(stream)[0]["tokens"], lines(stream)[0]["text"])


def test_strangers_cannot_write_lines() -> None:
    """What comes from a mail stays on one line, without terminal sequences, and is cut at a bounded length."""
    stream = configured("console")
    structlog.get_logger("x").info("e", subject="a\n2026 [error] forged\x1b[31m", long="x" * 10_000)

    assert 1 == len(stream.getvalue().splitlines())
    assert "\x1b[31m" not in stream.getvalue()
    assert len(stream.getvalue()) < 3_000


def test_passwords_in_addresses_are_cut_out() -> None:
    """An address loses its user and password, wherever it stands."""
    stream = configured()
    structlog.get_logger("x").info("e", reason="cannot reach postgresql://bridge:hunter2@db/x")

    assert "cannot reach postgresql://…@db/x" == lines(stream)[0]["reason"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_show_no_values(form: Literal["console", "json"]) -> None:
    """A traceback names files and lines, not the values of variables."""
    stream = configured(form)
    password = "hunter" + "2"
    try:
        raise ValueError(f"{len(password)}")
    except ValueError:
        structlog.get_logger("x").exception("e")

    assert "Traceback" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_libraries_are_routed_and_quieted() -> None:
    """A library's lines come in our form; chatter below a warning stays out even when we debug."""
    stream = configured(level="debug")
    logging.getLogger("urllib3.connectionpool").debug("Starting new HTTPS connection")
    logging.getLogger("urllib3.connectionpool").warning("pool is full for %s", "redmine.example.com")
    logging.getLogger("other").info("hello", extra={"password": "hunter2"})
    first, second = lines(stream)

    assert ("pool is full for redmine.example.com", "warning") == (first["event"], first["level"])
    assert ("hello", redaction.WITHHELD) == (second["event"], second["password"])


def test_level() -> None:
    """What is less important than the level is not written."""
    stream = configured(level="warning")
    structlog.get_logger("x").info("e")
    structlog.get_logger("x").warning("w")

    assert ["w"] == [line["event"] for line in lines(stream)]


def test_auto_is_json_where_nobody_looks() -> None:
    """With format auto a stream that is no terminal gets JSON."""
    stream = io.StringIO()
    log.configure(LogSettings(), stream)
    structlog.get_logger("x").info("e")

    assert "e" == lines(stream)[0]["event"]


def test_configured_again() -> None:
    """Settings that are read again take effect at once, also for loggers that exist."""
    logger = structlog.get_logger("x")
    first = configured(level="warning")
    logger.info("hidden")
    second = configured(level="info")
    logger.info("seen")

    assert ("", ["seen"]) == (first.getvalue(), [line["event"] for line in lines(second)])


def test_capture_logs_sees_our_events() -> None:
    """Tests can read events by structlog's own means."""
    configured()
    with capture_logs() as seen:
        structlog.get_logger("x").warning("receive.interrupted", reason="no")

    assert [{"event": "receive.interrupted", "reason": "no", "log_level": "warning"}] == seen
