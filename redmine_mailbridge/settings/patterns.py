"""Patterns of the settings that are matched against received messages: plain text, or linear-time expressions.

Expressions run on RE2, which never backtracks: no text makes one slow. Its price is that look-around and
back-references are not available; loading reports them. Source: https://github.com/google/re2/wiki/Syntax
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, StringConstraints

from redmine_mailbridge.util.dataclass import dataclass

MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as written: "words" match in any case, "/expression/" is searched, "*" matches everything."""

    written: str

    def search(self, text: str) -> Mapping[str, str] | None:
        """Given a text (only its first million characters are searched), return the named groups; None without a
        match."""
        expression = _compiled(self.written)
        if expression is None:
            return {} if self.written == "*" or self.written.casefold() in text[:MAX_TEXT].casefold() else None
        match = expression.search(text[:MAX_TEXT].encode("utf-8", "replace").decode())
        if match is None:
            return None
        return {name: value for name, value in match.groupdict().items() if value is not None}


@lru_cache(maxsize=1024)
def _compiled(written: str) -> Any:
    """Given a pattern as written, return the compiled expression; None if it is plain. Raise ValueError."""
    if len(written) < 3 or not (written.startswith("/") and written.endswith("/")):
        return None
    return compile_linear(written[1:-1], any_case=True)


def compile_linear(expression: str, *, any_case: bool) -> Any:
    """Given an expression, compile it to one that searches in linear time. Raise ValueError if it is unusable."""
    options = re2.Options()
    options.case_sensitive = not any_case
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else error
        raise ValueError(
            f"is not a usable regular expression: {why} (look-around and back-references are not supported, so that no "
            "message can make matching slow)"
        ) from error


def check_pattern(value: str) -> str:
    """Given a pattern as written, return it. Raise ValueError if it is not a usable expression."""
    _compiled(value)
    return value


def check_sender_pattern(value: str) -> str:
    """Given an entry of an allow or block list, return it. Raise ValueError if it can never match.

    "someone@example.com" an address, "example.com" or "@example.com" a domain, "*.example.com" its subdomains,
    "Header-Name: pattern" a header field, "/expression/" the From line, "*" everyone.
    """
    if value.startswith("/") and value.endswith("/"):
        return check_pattern(value)
    name, colon, rest = value.partition(":")
    if colon:
        if not name or any(c.isspace() for c in name) or not rest.strip():
            raise ValueError('must be "Header-Name: pattern"')
        return f"{name}: {check_pattern(rest.strip())}"
    if any(c.isspace() for c in value):
        raise ValueError('must be an address, a domain, "Header-Name: pattern" or "/expression/"')
    return value.lower()


PatternText = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(check_pattern)]
SenderPattern = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(check_sender_pattern)]
