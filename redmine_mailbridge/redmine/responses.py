"""The meaning of Redmine's responses: a parsed response, or an error from `redmine_mailbridge.errors`.

A success code is not sufficient: the body must be complete and JSON. A refusal is accepted only if
it can come from Redmine itself; a response of a proxy, a login page or another program is an outage, for which no
message may be rejected.
"""

import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from redmine_mailbridge.errors import (
    AccessDenied,
    RedmineError,
    RedmineRefused,
    RedmineUnavailable,
    RedmineUnclear,
    UnknownLogin,
)
from redmine_mailbridge.util.http_date import http_date
from redmine_mailbridge.util.printable import printable_line

LONGEST_PAUSE = 3600.0
"""Seconds. A longer Retry-After is a mistake, or maintenance that may end sooner: the bridge retries after this."""


class Response(dict[str, Any]):
    """The JSON object of a response; empty for 204."""

    status: int = 200


def is_closed(issue: Mapping[str, Any]) -> bool:
    """Given an issue from the API, return whether its status is a closed one; by the time of closing if it does not
    say.
    """
    return bool((issue.get("status") or {}).get("is_closed", issue.get("closed_on")))


def read_answer(response: requests.Response) -> Response:
    """Given a response, return its content. Raise the error that it means (see `errors`)."""
    if response.status_code not in (200, 201, 204):
        raise error_of(response)
    answer = Response(whole_json(response))
    answer.status = response.status_code
    return answer


def whole_json(response: requests.Response) -> dict[str, Any]:
    """Given a successful response, return its JSON object, {} if a write request returns nothing.

    Raise `RedmineUnclear` (after a write request) or `RedmineUnavailable` if it is truncated, or no JSON object.
    """
    body = response.content
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) != len(body) and "Content-Encoding" not in response.headers:
        raise unknown_result(response, f"the response was truncated: {len(body)} of {announced} bytes arrived")
    if not body.strip():
        if is_writing(response) or response.status_code == 204:
            return {}
        raise unknown_result(response, "the response was an empty page")
    try:
        value = json.loads(body)
    except ValueError:
        raise unknown_result(response, not_json(response)) from None
    if not isinstance(value, dict):
        raise unknown_result(response, "the response was JSON, but not an object")
    return value


def is_writing(response: requests.Response) -> bool:
    """Was it a write request?"""
    return response.request.method not in ("GET", "HEAD")


def unknown_result(
    response: requests.Response, why: str, *, settle: bool = False, overloaded: bool = False
) -> RedmineError:
    """Given a response with an unknown result, return the error for it: it depends on the method."""
    text = f"{place(response)}: {why}"
    if is_writing(response):
        return RedmineUnclear(text, settle=settle, overloaded=overloaded)
    return RedmineUnavailable(text, overloaded=overloaded)


NO_KEY = "Redmine does not accept the API key"
NO_API = "Redmine's REST API is disabled (403): enable it (Administration, Settings, API: Enable REST web service)"
BUSY = {408: "the request timed out", 429: "too many requests", 503: "overloaded, or in maintenance"}
"""Nothing was written, and fewer concurrent requests help."""


def error_of(response: requests.Response) -> RedmineError:
    """Given an unsuccessful response, return the error that it means."""
    status = response.status_code
    at = place(response)
    if status == 412 and not is_html(response):
        return UnknownLogin(f"{at}: Redmine has no active user with the impersonated login (412)")
    if status == 401:
        gateway = asks_for_login(response)
        return AccessDenied(f"{at}: {gateway or NO_KEY} (401)", key=not gateway)
    if status in BUSY:
        return RedmineUnavailable(
            f"{at}: {BUSY[status]} ({status})", retry_after=retry_after(response), overloaded=True
        )
    if status == 409 or 300 <= status < 400:
        why = "it was changed concurrently (409)" if status == 409 else redirected(response)
        return RedmineUnavailable(f"{at}: {why}")
    if status >= 500:
        # Rails sends its 500 to the API as JSON or empty; a program in front of it (FastCGI after its own
        # timeout) sends a page, while the request still runs
        ended = status == 500 and not (is_html(response) or is_prose(response))
        why = "internal error (500)" if ended else f"a server in front of Redmine failed ({status})"
        return unknown_result(response, why, settle=not ended, overloaded=True)
    return refusal(response)


def refusal(response: requests.Response) -> RedmineError:
    """Given a 4xx, return the refusal, or an outage if Redmine cannot have sent it."""
    status = response.status_code
    if status == 422:
        return refused_values(response)
    if status == 413 and is_html(response):
        why = "too large for a gateway in front of Redmine (with nginx: client_max_body_size)"
        return RedmineRefused(f"{place(response)}: {named(response)}{why} (413)", status=status)
    if status == 400 and is_html(response) and b"SSL certificate" in response.content[:2000]:  # nginx, no 496
        why = "a gateway in front of Redmine requires a client certificate, or does not accept the bridge's"
        return RedmineUnavailable(f"{place(response)}: {named(response)}{why} (400)")
    if (is_html(response) or is_prose(response)) and status not in (400, 413):
        return RedmineUnavailable(f"{place(response)}: {not_json(response)} ({status})")
    return RedmineRefused(f"{place(response)}: {REFUSALS.get(status, 'rejected')} ({status})", status=status)


REFUSALS = {
    400: "not understood",
    403: "not allowed, or the REST API is disabled (Administration, Settings, API)",
    404: "does not exist, or is not visible",
    406: "the content type was not accepted",
    413: "too large",
}


def refused_values(response: requests.Response) -> RedmineError:
    """Given a 422, return the refusal with Redmine's messages, or an outage if Redmine did not send it."""
    try:
        errors = json.loads(response.content)["errors"]
        messages = tuple(": ".join(map(str, e)) if isinstance(e, list) else str(e) for e in errors)
    except (ValueError, KeyError, TypeError):
        return RedmineUnavailable(f"{place(response)}: {not_json(response)} (422)")
    return RedmineRefused(printable_line("Redmine refused: " + "; ".join(messages)), status=422, messages=messages)


def asks_for_login(response: requests.Response) -> str:
    """Given a 401, return what to do if a gateway in front of Redmine sent it; "" if Redmine did, which reports a wrong
    key only by its realm "Redmine API".
    """
    wants = response.headers.get("WWW-Authenticate", "")
    if "redmine" in wants.lower() or not (is_html(response) or wants):
        return ""
    if "Authorization" in response.request.headers:
        return f"{named(response)}a gateway in front of Redmine does not accept [redmine] gateway_user and its password"
    wants = printable_line(wants, 100)
    how = (
        "set [redmine] gateway_user and gateway_password_file"
        if wants.lower().startswith("basic")
        else "let the bridge pass"
    )
    return f"{named(response)}a gateway in front of Redmine requires a separate login, {wants}: {how}"


def named(response: requests.Response) -> str:
    """Given a response, return its Server header, as "nginx/1.22: "; "" if it has none."""
    server = response.headers.get("Server", "")[:60]
    return f"{server}: " if server.isprintable() and server else ""


def retry_after(response: requests.Response) -> float | None:
    """Given a response, return the delay in Retry-After (RFC 9110 10.2.3) in seconds, or None."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        then = http_date(value)
        if then is None:
            return None
        now = server_date(response) or dt.datetime.now(dt.UTC)
        seconds = (then - now).total_seconds()
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_PAUSE)


def server_date(response: requests.Response) -> dt.datetime | None:
    """Given a response, return the clock of its sender, possibly a proxy, from its Date (UTC), or None."""
    return http_date(response.headers.get("Date", ""))


def is_html(response: requests.Response) -> bool:
    """Is it an HTML page? Redmine's API never sends one, except for a 400."""
    start = response.content[:200].lstrip().lower()
    return "html" in response.headers.get("Content-Type", "").lower() or start.startswith((b"<!doctype", b"<html"))


def is_prose(response: requests.Response) -> bool:
    """Is it text that is not JSON? A refusal of Redmine's API is JSON, or has no body."""
    try:
        json.loads(response.content.strip() or b"0")
    except ValueError:
        return True
    return False


def not_json(response: requests.Response) -> str:
    """Given a response that is not JSON, return what probably sent it."""
    if is_html(response):
        why = "this is not a Redmine, or a proxy or login page in front of it responds (HTML instead of JSON)"
        return f"{named(response)}{why}"
    return "the response is not JSON, or was truncated"


def redirected(response: requests.Response) -> str:
    """Given a redirect, return what to change in the settings. Query strings are not repeated."""
    status = response.status_code
    try:
        to = urlsplit(str(response.headers.get("Location", "")))
    except ValueError:
        return f"redirected ({status} to an invalid address)"
    target = printable_line(f"{to.scheme}://{to.netloc.rpartition('@')[2]}{to.path}" if to.netloc else to.path)
    if any(word in to.path.lower() for word in ("login", "signin", "sso", "oauth", "saml", "auth")):
        return f"a login page in front of Redmine responds ({status} to {target}); let the REST API through"
    return f"redirected ({status} to {target}); set [redmine] url to Redmine's actual address"


def place(response: requests.Response) -> str:
    """Given a response, return its request, without the query."""
    url = urlsplit(str(response.request.url))
    return f"{response.request.method} {url.scheme}://{url.netloc}{url.path}"


def utc(text: str | None) -> dt.datetime | None:
    """Given a time from the API (2026-01-02T03:04:05Z), return it, or None."""
    return dt.datetime.fromisoformat(text) if text else None
