"""Reads a response of a Graph server: never more than one of Graph's can be long, and only what can be read."""

import datetime as dt
import json
from typing import Any

import requests

from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.util.backoff import LONGEST
from redmine_mailbridge.util.http_date import http_date

MOST_BYTES = 64 << 20
"""Of an answer: a page of 500 messages without their bodies has a few."""
MOST_OF_AN_ERROR = 1 << 20
PIECE = 1 << 16


class Unreadable(ValueError):
    """An answer that Graph does not give."""


class GraphObject(dict[str, Any]):
    """A JSON object of Graph's. A member that it lacks is an error of the server's: ConnectionLost."""

    def __missing__(self, name: str) -> Any:
        raise ConnectionLost(f"the response of Microsoft Graph has no {name!r}")


def body_of(answer: requests.Response, most: int = MOST_BYTES) -> bytes:
    """Given an answer, return its body. Raise Unreadable when it has more bytes, OSError when the connection breaks."""
    body = bytearray()
    for piece in answer.iter_content(PIECE):
        body += piece
        if len(body) > most:
            raise Unreadable(f"the response has more than {most} bytes")
    return bytes(body)


def start_of(answer: requests.Response, most: int = MOST_OF_AN_ERROR) -> bytes:
    """Given an unsuccessful answer, return the first bytes of its body, as far as they come."""
    body = bytearray()
    try:
        for piece in answer.iter_content(PIECE):
            body += piece
            if len(body) > most:
                break
    except (requests.RequestException, OSError):
        pass  # the status is what counts
    return bytes(body[:most])


def object_of(body: bytes) -> dict[str, Any]:
    """Given a body, return the JSON object that it is. Raise Unreadable."""
    try:
        value = json.loads(body, object_hook=GraphObject)
    except (ValueError, RecursionError):
        raise Unreadable("the response is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("the response is not a JSON object")
    return value


def objects_in(value: object) -> list[dict[str, Any]]:
    """Given a value of an answer, return the objects of the list that it is. Raise Unreadable."""
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        raise Unreadable("the response has no list of objects where one belongs")
    return value


def error_in(body: bytes) -> tuple[str, bytes]:
    """Given the body of an unsuccessful answer, return Graph's word for the error, "" if it is none, and its text."""
    try:
        error: Any = object_of(body).get("error")
        return str(error.get("code", "")), str(error.get("message", "")).encode("utf-8", "replace")
    except (ValueError, AttributeError):
        return "", body


def pause_of(answer: requests.Response) -> int | None:
    """Given an answer, return the seconds that its Retry-After names, as a number or a date (RFC 9110, 10.2.3), at most
    a day; None if it names none.
    """
    retry_after = answer.headers.get("Retry-After", "").strip()
    if retry_after.isdecimal():
        return int(min(float(retry_after), LONGEST))
    end = http_date(retry_after)
    if end is None:
        return None
    return int(min(max((end - dt.datetime.now(dt.UTC)).total_seconds() + 1, 0), LONGEST))
