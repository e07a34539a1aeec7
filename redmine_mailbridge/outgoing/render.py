"""Templates: one folder a kind of mail, one below it a language, in it subject.txt, body.txt and (if wanted) body.html.

An admin copies a kind's folder into the folder named in the settings and edits it there; what is missing there is
taken from ours. They run in a sandbox that cannot change anything, cannot build huge texts, and refuses a variable
that does not exist.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from redmine_mailbridge.errors import SettingsError

OURS = Path(__file__).parent / "templates"
KINDS = ("received", "received_reply", "refused", "registration")
MAX_TEMPLATE = 64 * 1024
MAX_RESULT = 256 * 1024


class _Sandbox(ImmutableSandboxedEnvironment):
    """As jinja2's, but no operator can make a text of a gigabyte."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse to multiply or to format texts; and sums that are too long."""
        texts = isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple)
        if operator in {"*", "**", "%"} and texts:
            raise TemplateError(f"{operator} is not allowed on texts")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, str | list | tuple) and len(result) > MAX_RESULT:
            raise TemplateError("the text grows too long")
        if isinstance(result, int) and abs(result) > 10**18:
            raise TemplateError("the number grows too large")
        return result


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template gave; `html` is "" when it has no body.html."""

    subject: str
    text: str
    html: str


class Templates:
    """Finds and renders templates. `own` is the admin's folder, None when there is none."""

    def __init__(self, own: Path | None = None) -> None:
        self._own = own
        self._text = _Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
        self._html = _Sandbox(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)

    def render(self, kind: str, language: str, variables: Mapping[str, Any]) -> Rendered:
        """Given a kind of mail, a language and variables, return the mail's texts.

        Raise SettingsError when the template is faulty, with its file and what is wrong.
        """
        folder = self.folder(kind, language)
        subject = self._one(folder / "subject.txt", variables, escaped=False)
        text = self._one(folder / "body.txt", variables, escaped=False)
        page = folder / "body.html"
        return Rendered(
            " ".join(subject.split()), text, self._one(page, variables, escaped=True) if page.is_file() else ""
        )

    def folder(self, kind: str, language: str) -> Path:
        """Given a kind and a language, return the folder that holds its template: the admin's, or ours, or English."""
        for root in (self._own, OURS):
            for name in (language, language.partition("-")[0], "en"):
                if root is not None and name and (root / kind / name / "body.txt").is_file():
                    return root / kind / name
        raise SettingsError(f"there is no template {kind} in {self._own or OURS}")

    def _one(self, file: Path, variables: Mapping[str, Any], *, escaped: bool) -> str:
        try:
            source = file.read_text("utf-8")
            if len(source) > MAX_TEMPLATE:
                raise SettingsError(f"{file}: is longer than {MAX_TEMPLATE} characters")
            text = (self._html if escaped else self._text).from_string(source).render(dict(variables))
        except (TemplateError, TypeError, ArithmeticError, UnicodeDecodeError) as error:
            number = getattr(error, "lineno", None)
            line = f", line {number}" if number else ""
            raise SettingsError(f"{file}{line}: {error}") from error
        except OSError as error:
            raise SettingsError(f"{file}: {error.strerror}") from error
        return text[:MAX_RESULT]


EXAMPLE: dict[str, Any] = {
    "issue": {"id": 4711, "subject": "The printer is on fire", "url": "https://redmine.example.com/issues/4711"},
    "requester": {"name": "Kim Client", "address": "kim@client.example"},
    "mailbox": {"name": "support", "address": "support@example.com"},
    "project": "support",
    "mail": {"subject": "The printer is on fire", "date": "2026-05-20 10:00"},
    "reason": "this mailbox takes replies only",
    "login": "kim@client.example",
    "redmine_url": "https://redmine.example.com",
}


def check_templates(templates: Templates, language: str) -> list[str]:
    """Given templates, render each kind with made-up values. Return one line for each that cannot be used."""
    problems: list[str] = []
    for kind in KINDS:
        try:
            templates.render(kind, language, EXAMPLE)
        except SettingsError as error:
            problems.append(str(error))
    return problems


def as_html(text: str) -> str:
    """Given a plain text, return it as harmless HTML with its line breaks."""
    return html.escape(text).replace("\n", "<br>\n")
