"""Authentication-Results, read by the grammar of RFC 8601 section 2.2: what is not written by it is worth nothing.

The results in a field are beside text chosen by a stranger (the envelope's sender, his HELO), so that nothing is
guessed: a quote or a comment that does not close, a word between two others, a property given twice, and a comment that
itself speaks of results make the whole field unusable. So do two things that the grammar allows and no server writes:
blanks or comments within a property's name, and a comment with a word right behind it. Beyond the grammar, only what
mail servers are known to write is taken: no authserv-id (Microsoft 365), properties without a type (`action=none`,
`x-bits=2048`), `<>` for no sender, a last semicolon, and the signs of an address or of base 64 without quotes.
"""

import re
from dataclasses import field

from redmine_mailbridge.util.dataclass import dataclass

LONGEST = 20_000  # characters of a field
_BLANK = re.compile(r"[ \t\r\n]*")
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?(?![A-Za-z0-9_-])")
_DIGITS = re.compile(r"[0-9]{1,10}(?![A-Za-z0-9_-])")
_TOKEN = re.compile(r"[^\x00-\x20\x7f-\x9f()<>@,;:\\\"/\[\]?=]{1,255}")
_BARE = re.compile(r"[^\x00-\x20\x7f-\x9f()<>,;\\\"]{1,2000}")
_DOMAIN = re.compile(r"[^\x00-\x20\x7f-\x9f()<>@,;:\\\"/\[\]?=]{1,255}|\[[0-9A-Za-z:.]{1,60}\]")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x08\x0b-\x1f\x7f]|\\[^\x00-\x08\x0b-\x1f\x7f])*)"')
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_COMMENT = re.compile(r'[()"]|\\.?', re.DOTALL)
_PROPERTY = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{0,30}\.)?[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?=")
_SPEAKS_OF_RESULTS = re.compile(r"(?:smtp|header|body|policy)\.[A-Za-z0-9_-]{1,64}=", re.IGNORECASE)
_DOTTED = re.compile(r"[^\s\"(),:;<>@\[\\\]]{1,64}")


class MalformedField(ValueError):
    """The field is not written as RFC 8601 says."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result: "dkim", "pass", and its properties such as header.d, names in lower case, values as they are."""

    method: str
    result: str
    properties: dict[str, str] = field(default_factory=dict)

    def domain(self, name: str) -> str:
        """The domain that a property names (an address or a domain), lower case; "" when it names none."""
        return domain_of(self.properties.get(name, ""))


def parse(value: str) -> tuple[str, list[Result]]:
    """Given the value of an Authentication-Results field, return its authserv-id (lower case, "" when it names none)
    and its results. Raise Malformed when anything in it is not as RFC 8601 says.
    """
    if len(value) > LONGEST:
        raise MalformedField("too long")
    return _Reader(value).field()


def domain_of(value: str) -> str:
    """Given an address or a domain, return the domain, lower case: the part after the last unquoted @.

    "" when there is none, or more than one such @, or a quote does not close (RFC 5321 section 4.1.2).
    """
    text = value.removeprefix("<").removesuffix(">") if value.startswith("<") else value
    if text.startswith('"'):
        local = _QUOTED.match(text)
        if local is None or text[local.end() : local.end() + 1] != "@":
            return ""
        text = text[local.end() + 1 :]
    else:
        text = text.rpartition("@")[2] if text.count("@") < 2 else ""
    return text.lower().rstrip(".") if _DOMAIN.fullmatch(text) else ""


def plain_sender(value: str) -> bool:
    """Given an envelope's sender as a Return-Path has it, is it one that no server needs to quote?

    Where it is not, what servers write about it may not mean what it says.
    """
    text = value.strip().removeprefix("<").removesuffix(">")
    local, at, domain = text.rpartition("@")
    return not text or bool(at and _DOTTED.fullmatch(local) and _DOMAIN.fullmatch(domain))


class _Reader:
    """Reads one value from left to right; each method takes one word of the grammar, or raises Malformed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def field(self) -> tuple[str, list[Result]]:
        """authres-payload."""
        self.blanks()
        identity = self.identity()
        results: list[Result] = []
        if identity:
            self.end_of_result()
        while self.at < len(self.text):
            result = self.result(nothing_yet=not results)
            if result is not None:
                results.append(result)
        return identity, results

    def identity(self) -> str:
        """The authserv-id and its version; "" when the field begins with a result, as Microsoft's do."""
        start = self.at
        keyword = _KEYWORD.match(self.text, start)
        if keyword:
            self.at = keyword.end()
            self.blanks()
            if self.peek() in {"=", "/"}:
                self.at = start
                return ""
            self.at = start
        identity = self.quoted() if self.peek() == '"' else self.take(_TOKEN)
        self.blanks()
        if _DIGITS.match(self.text, self.at):
            self.take(_DIGITS)
            self.blanks()
        return identity.lower()

    def result(self, *, nothing_yet: bool) -> Result | None:
        """resinfo, with the semicolon behind it; None for "none" and for nothing behind the last semicolon."""
        self.blanks()
        if self.at == len(self.text) and not nothing_yet:
            return None
        method = self.take(_KEYWORD).lower()
        self.blanks()
        if method == "none" and nothing_yet and self.at == len(self.text):
            return None
        if self.sign("/"):
            self.blanks()
            self.take(_DIGITS)
            self.blanks()
        self.expect("=")
        self.blanks()
        parsed = Result(method, self.take(_KEYWORD).lower())
        self.blanks()
        while self.at < len(self.text) and self.peek() != ";":
            name, value = self.property()
            if parsed.properties.setdefault(name, value) != value:
                raise MalformedField(f"{name} twice")
        self.end_of_result()
        return parsed

    def property(self) -> tuple[str, str]:
        """Name and value of a propspec, a reasonspec, or a property without a type."""
        name = self.take(_PROPERTY)[:-1]
        self.blanks()
        value = self.value()
        if self.at < len(self.text) and self.peek() not in " \t\r\n(;":
            raise MalformedField("a value and more")
        self.blanks()
        return name.lower(), value

    def value(self) -> str:
        """pvalue: a quoted string's content, an address as RFC 5321 writes it, or a bare word."""
        if self.text.startswith("<>", self.at):
            self.at += 2
            return ""
        if self.peek() != '"':
            return self.take(_BARE)
        start = self.at
        content = self.quoted()
        if not self.sign("@"):
            return content
        self.take(_DOMAIN)
        return self.text[start : self.at]

    def quoted(self) -> str:
        """A quoted string's content."""
        match = _QUOTED.match(self.text, self.at)
        if match is None:
            raise MalformedField("a quote that does not close")
        self.at = match.end()
        return _PAIR.sub(r"\1", match[1])

    def blanks(self) -> None:
        """CFWS, or nothing."""
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.peek() != "(":
                return
            self.comment()

    def comment(self) -> None:
        """A comment with those within it. What it holds is often a stranger's: it must not look like results."""
        start, depth, quotes = self.at, 0, 0
        for sign in _COMMENT.finditer(self.text, start):
            depth += {"(": 1, ")": -1}.get(sign[0], 0)
            quotes += sign[0] == '"'
            if not depth:
                self.at = sign.end()
                break
        if depth or quotes % 2 or self.at == start or _SPEAKS_OF_RESULTS.search(self.text, start, self.at):
            raise MalformedField("a comment that does not close, or that holds more than a comment")
        if self.peek() not in {"", " ", "\t", "\r", "\n", ";"}:
            raise MalformedField("a comment and more")

    def end_of_result(self) -> None:
        """A semicolon, or the end."""
        if self.at < len(self.text):
            self.expect(";")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def sign(self, character: str) -> bool:
        """Consume this character if it is next."""
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def expect(self, character: str) -> None:
        if not self.sign(character):
            raise MalformedField(f"no {character} at {self.at}")

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise MalformedField(f"an unexpected sign at {self.at}")
        self.at = match.end()
        return match[0]
