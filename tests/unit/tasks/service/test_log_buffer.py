"""The log lines that the pages show: all of them, without secrets, and at no cost to whoever logs."""

import logging
import threading

import pytest

from redmine_mailbridge.store.admin_sessions import LogBuffer
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.service.log_buffer import LogBufferHandler, kept_in

LIBRARY = logging.getLogger("a.library")


@pytest.fixture
def log_buffer(store: Store) -> LogBuffer:
    return LogBuffer(store.database)


def events(log_buffer: LogBuffer) -> list[str]:
    """What is kept, oldest first."""
    return [entry.event for entry in log_buffer.entries()][::-1]


def structured(**line: object) -> logging.LogRecord:
    """A line as structlog hands it to logging."""
    return logging.LogRecord("x", logging.WARNING, "f", 1, dict(line), None, None)  # type: ignore[arg-type]


def test_lines_are_kept_when_the_block_ends(log_buffer: LogBuffer) -> None:
    """All lines of a run are kept, those just before its end too, with level and mailbox; after it none is."""
    with kept_in(log_buffer):
        LIBRARY.warning("%d of %d", 2, 3)
        logging.getLogger().handle(structured(event="mail", level="warning", mailbox="desk", subject="Printer", _x=1))
    LIBRARY.warning("too late")
    assert ["2 of 3", "mail"] == events(log_buffer)
    (entry,) = log_buffer.entries(mailbox="desk")
    assert ("warning", {"subject": "Printer"}) == (entry.level, entry.values)


def test_lines_come_while_the_service_runs(log_buffer: LogBuffer) -> None:
    """A line is there soon after it was written, without anybody asking for it."""
    with kept_in(log_buffer):
        LIBRARY.error("now")
        for _ in range(3000):
            if events(log_buffer):
                break
            threading.Event().wait(0.02)
        assert ["now"] == events(log_buffer)


class Odd:
    """What cannot be written out."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(("words", "argument"), [("%d items", "many"), ("see %s", Odd())])
def test_a_library_that_logs_what_does_not_fit(log_buffer: LogBuffer, words: str, argument: object) -> None:
    """Arguments that do not fit a library's format, or cannot be written out, cost the line its arguments: the work
    that logs it goes on.
    """
    handler = LogBufferHandler(log_buffer)
    try:
        handler.handle(logging.LogRecord("a.library", logging.WARNING, "f", 1, words, (argument,), None))
    finally:
        handler.close()
    assert [words] == events(log_buffer)


def test_a_message_that_cannot_be_written_out(log_buffer: LogBuffer) -> None:
    """A library that logs an object without a text, or a table of its own, is not ended by it either."""
    handler = LogBufferHandler(log_buffer)
    try:
        for message in (Odd(), {1: 2, "event": "odd"}):
            handler.handle(logging.LogRecord("a.library", logging.WARNING, "f", 1, message, (), None))  # type: ignore[arg-type]  # as libraries do
    finally:
        handler.close()
    assert {"Odd", "odd"} == set(events(log_buffer))


def test_what_libraries_log_is_withheld_too(log_buffer: LogBuffer) -> None:
    """What a library logs of an address shows no login, and a line end in it does not begin another line."""
    with kept_in(log_buffer):
        LIBRARY.warning("GET https://kim:hunter22@redmine.example\nerror: fine")
    assert ["GET https://\u2026@redmine.example error: fine"] == events(log_buffer)


def test_a_store_that_is_away(store: Store, log_buffer: LogBuffer) -> None:
    """While the store takes nothing, lines are dropped and nobody waits; later ones are kept."""
    handler = LogBufferHandler(log_buffer)
    try:
        with store.database.write() as db:
            db.exec_driver_sql("ALTER TABLE log_entry RENAME TO away")
        handler.emit(structured(event="lost"))
        handler.flush()
        with store.database.write() as db:
            db.exec_driver_sql("ALTER TABLE away RENAME TO log_entry")
        handler.emit(structured(event="kept", level="info"))
    finally:
        handler.close()
    assert ["kept"] == events(log_buffer)
