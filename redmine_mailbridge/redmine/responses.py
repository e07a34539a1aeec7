"""What an answer of Redmine means: a parsed answer, or an error of the tree in `redmine_mailbridge.errors`.

Success is not believed by its code alone: the body must be whole and JSON. A refusal is believed only as far as
it can come from Redmine itself; what a proxy, a login page or another program answers is an outage, which no mail
may be refused for.
"""

import datetime as dt
import json
import math
from email.utils import parsedate_to_datetime
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

LONGEST_PAUSE = 3600.0
"""Seconds. A Retry-After beyond it is a mistake, or a maintenance that may end sooner: we ask again."""


class Answer(dict[str, Any]):
    """The JSON object of an answer; empty for 204."""

    status: int = 200


def read_answer(response: requests.Response) -> Answer:
    """Given a response, return what it says. Raise the error that it means (see `errors`)."""
    if response.status_code not in (200, 201, 204):
        raise error_of(response)
    answer = Answer(whole_json(response))
    answer.status = response.status_code
    return answer


def whole_json(response: requests.Response) -> dict[str, Any]:
    """Given a response of success, return its JSON object, {} where a writing request has no more to say.

    Raise `RedmineUnclear` (after a writing request) or `RedmineUnavailable` when it is cut, or no JSON object.
    """
    body = response.content
    said = response.headers.get("Content-Length", "")
    if said.isdecimal() and int(said) != len(body) and "Content-Encoding" not in response.headers:
        raise unknown_result(response, f"its answer was cut: {len(body)} of {said} bytes came")
    if not body.strip():
        if is_writing(response) or response.status_code == 204:
            return {}
        raise unknown_result(response, "it answered with an empty page")
    try:
        value = json.loads(body)
    except ValueError:
        raise unknown_result(response, not_json(response)) from None
    if not isinstance(value, dict):
        raise unknown_result(response, "it answered with JSON that is no object")
    return value


def is_writing(response: requests.Response) -> bool:
    """Was the request one that changes something?"""
    return response.request.method not in ("GET", "HEAD")


def unknown_result(
    response: requests.Response, why: str, *, settle: bool = False, overloaded: bool = False
) -> RedmineError:
    """Given a response that leaves open what was done, return the error for it: the method decides which."""
    text = f"{place(response)}: {why}"
    if is_writing(response):
        return RedmineUnclear(text, settle=settle, overloaded=overloaded)
    return RedmineUnavailable(text, overloaded=overloaded)


NO_KEY = "Redmine does not accept the API key"
NO_API = (
    "Redmine lets no program in (403): switch the REST API on (Administration, Settings, API: Enable REST web service)"
)
BUSY = {408: "the request did not arrive in time", 429: "too many requests", 503: "too busy, or in maintenance"}
"""Nothing was written, and less at once helps."""


def error_of(response: requests.Response) -> RedmineError:
    """Given a response that is no success, return the error that it means."""
    status = response.status_code
    at = place(response)
    if status == 412 and not is_html(response):
        return UnknownLogin(f"{at}: Redmine knows no active user by the login to act as (412)")
    if status == 401:
        gateway = asks_for_login(response)
        return AccessDenied(f"{at}: {gateway or NO_KEY} (401)", key=not gateway)
    if status in BUSY:
        return RedmineUnavailable(
            f"{at}: {BUSY[status]} ({status})", retry_after=retry_after(response), overloaded=True
        )
    if status == 409 or 300 <= status < 400:
        why = "somebody else changed it at the same moment (409)" if status == 409 else redirected(response)
        return RedmineUnavailable(f"{at}: {why}")
    if status >= 500:
        # Rails writes its 500 to the API as JSON or with nothing in it, a program before it (FastCGI after its own
        # time-out) a page, while the request still goes on
        ended = status == 500 and not (is_html(response) or is_prose(response))
        why = "internal error (500)" if ended else f"a server on the way failed ({status})"
        return unknown_result(response, why, settle=not ended, overloaded=True)
    return refusal(response)


def refusal(response: requests.Response) -> RedmineError:
    """Given a 4xx, return the refusal, or an outage where Redmine cannot have written it."""
    status = response.status_code
    if status == 422:
        return refused_values(response)
    if status == 413 and is_html(response):
        why = "too large for a gateway in front of Redmine (with nginx: client_max_body_size)"
        return RedmineRefused(f"{place(response)}: {named(response)}{why} (413)", status=status)
    if (is_html(response) or is_prose(response)) and status not in (400, 413):
        return RedmineUnavailable(f"{place(response)}: {not_json(response)} ({status})")
    return RedmineRefused(f"{place(response)}: {REFUSALS.get(status, 'refused')} ({status})", status=status)


REFUSALS = {
    400: "not understood",
    403: "not allowed, or the REST API is switched off (Administration, Settings, API)",
    404: "does not exist, or may not be seen",
    406: "the content type was not accepted",
    413: "too large",
}


def refused_values(response: requests.Response) -> RedmineError:
    """Given a 422, return the refusal with Redmine's messages, or an outage if Redmine did not write it."""
    try:
        found = json.loads(response.content)["errors"]
        messages = tuple(": ".join(map(str, e)) if isinstance(e, list) else str(e) for e in found)
    except (ValueError, KeyError, TypeError):
        return RedmineUnavailable(f"{place(response)}: {not_json(response)} (422)")
    return RedmineRefused("Redmine refused: " + "; ".join(messages), status=422, messages=messages)


def asks_for_login(response: requests.Response) -> str:
    """Given a 401, return what to do when a gateway in front of Redmine says it; "" when Redmine does, which of a wrong
    key says nothing more than that its realm is "Redmine API".
    """
    wants = response.headers.get("WWW-Authenticate", "")
    if "redmine" in wants.lower() or not (is_html(response) or wants):
        return ""
    if "Authorization" in response.request.headers:
        return f"{named(response)}a gateway in front of Redmine does not accept [redmine] gateway_user and its password"
    how = "set [redmine] gateway_user and gateway_password_file" if wants.lower().startswith("basic") else "let it pass"
    return f"{named(response)}a gateway in front of Redmine wants a login of its own, {wants[:100]}: {how}"


def named(response: requests.Response) -> str:
    """Given a response, return which program it says that it is of, as "nginx/1.22: "; "" when it does not tell."""
    server = response.headers.get("Server", "")[:60]
    return f"{server}: " if server.isprintable() and server else ""


def retry_after(response: requests.Response) -> float | None:
    """Given a response, return the pause that Retry-After names (RFC 9110 10.2.3) in seconds, or None."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        now = server_date(response) or dt.datetime.now(dt.UTC)
        seconds = (then.replace(tzinfo=then.tzinfo or dt.UTC) - now).total_seconds()
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_PAUSE)


def server_date(response: requests.Response) -> dt.datetime | None:
    """Given a response, return the clock of whoever answered, a proxy perhaps, from its Date (UTC), or None."""
    try:
        found = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return None
    return found.replace(tzinfo=found.tzinfo or dt.UTC)


def is_html(response: requests.Response) -> bool:
    """Is it a page for people? Redmine's API never sends one, except for a 400."""
    start = response.content[:200].lstrip().lower()
    return "html" in response.headers.get("Content-Type", "").lower() or start.startswith((b"<!doctype", b"<html"))


def is_prose(response: requests.Response) -> bool:
    """Is it a text that is no JSON? A refusal of Redmine's API is JSON, or has no body."""
    try:
        json.loads(response.content.strip() or b"0")
    except ValueError:
        return True
    return False


def not_json(response: requests.Response) -> str:
    """Given a response that is no JSON, say what probably answered."""
    if is_html(response):
        why = "that is not a Redmine, or a proxy or login page in front of it answers (HTML instead of JSON)"
        return f"{named(response)}{why}"
    return "its answer is no JSON, or was cut"


def redirected(response: requests.Response) -> str:
    """Given a redirect, say what it means for the settings. Query strings are not repeated."""
    status = response.status_code
    to = urlsplit(str(response.headers.get("Location", "")))
    target = f"{to.scheme}://{to.netloc}{to.path}" if to.netloc else to.path
    if any(word in to.path.lower() for word in ("login", "signin", "sso", "oauth", "saml", "auth")):
        return f"a login page in front of Redmine answers ({status} to {target}); let the REST API through"
    return f"redirected ({status} to {target}); set [redmine] url to where Redmine really is"


def place(response: requests.Response) -> str:
    """Given a response, say which request it answers, without its query."""
    url = urlsplit(str(response.request.url))
    return f"{response.request.method} {url.scheme}://{url.netloc}{url.path}"
