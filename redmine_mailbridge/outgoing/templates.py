"""Templates: one folder a kind of mail, one below it a language, in it subject.txt, body.txt and (if wanted) body.html.

An admin copies a kind's folder into the folder named in the settings and edits it there; what is missing there is
taken from the built-in templates. All run in a sandbox (`outgoing.sandbox`) that refuses an undefined variable.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.reasons import RuleReason, reason
from redmine_mailbridge.outgoing.signature import SIGNATURE, UNSIGNED, TeamSignature, as_signature, signature_variables
from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS
from redmine_mailbridge.outgoing.unknown_variables import unknown_variables
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.util.suggest import did_you_mean

if TYPE_CHECKING:
    import jinja2
    from jinja2 import meta, nodes

    from redmine_mailbridge.outgoing import sandbox
else:  # a pass that sends no mail needs none of it
    jinja2 = lazy_import("jinja2")
    meta = lazy_import("jinja2.meta")
    nodes = lazy_import("jinja2.nodes")
    sandbox = lazy_import("redmine_mailbridge.outgoing.sandbox")

log = structlog.get_logger(__name__)

FRAME = "frame"
"""The layout around each mail: a template beside the kinds of mail, found and edited like these."""
_SPOKEN = tuple(kind for kind in KINDS if kind != SIGNATURE)
"""The templates that make a language one of mail: a signature alone does not."""
FILES = ("subject.txt", "body.txt", "body.html")

BUILT_IN = Path(__file__).parent / "templates"
_LANGUAGE = re.compile("[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}")
MAX_TEMPLATE = 64 * 1024


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
        self._compiled = lru_cache(256)(self._compile)

    @cached_property
    def _text(self) -> "sandbox.Sandbox":
        return _sandbox(escaped=False)

    @cached_property
    def _html(self) -> "sandbox.Sandbox":
        return _sandbox(escaped=True)

    def mail(self, kind: str, language: str, variables: Mapping[str, Any], around: Mapping[str, Any]) -> Rendered:
        """Given a kind of mail, a language, its variables, and those of the frame that all mails stand in beside them,
        return the whole mail's texts. A template of the admin's that fails is logged, and the built-in one is used.
        """
        return self._whole(self.safely, kind, language, variables, around)

    def preview(self, kind: str, language: str) -> Rendered:
        """Given a kind of mail and a language, return the whole mail with made-up values. Raise SettingsError when a
        template of it is faulty. That of the signature is below an answer.
        """
        kind = "answer" if kind == SIGNATURE else kind
        values = {**EXAMPLES[kind], **({"reason": reason("replies_only", language)} if kind == "refused" else {})}
        if kind == FRAME:
            return self.render(kind, language, values)
        about_issue = "issue" in values
        around = {**EXAMPLES[FRAME], "reference": EXAMPLES[FRAME]["reference"] if about_issue else ""}
        return self._whole(self.render, kind, language, values, around)

    @staticmethod
    def _whole(
        render: Callable[[str, str, Mapping[str, Any]], Rendered], kind: str, language: str,
        variables: Mapping[str, Any], around: Mapping[str, Any],
    ) -> Rendered:  # fmt: skip
        signature, names_agent = _signature(render, kind, language, variables, around)
        if names_agent:
            variables = {**variables, "note": {**variables["note"], "signed": True}}
        inner = render(kind, language, variables)
        values = {
            **around, "subject": inner.subject, "text": inner.text.strip("\n"), "html": inner.html.strip(),
            "signature": {"text": signature.text, "html": signature.html},
        }  # fmt: skip
        whole = render(FRAME, language, values)
        return Rendered(inner.subject, f"{whole.text.strip()}\n", whole.html if inner.html else "")

    def render(self, kind: str, language: str, variables: Mapping[str, Any]) -> Rendered:
        """Given a kind of mail, a language and variables, return the mail's texts.

        Raise SettingsError when the template is faulty, with its file and what is wrong.
        """
        folder = self.folder(kind, language)
        variables = {**variables, "language": folder.name}
        heading = folder / "subject.txt"
        subject = "" if kind == SIGNATURE else self._fill(heading, variables, escaped=False)
        text = self._fill(folder / "body.txt", variables, escaped=False)
        page = folder / "body.html"
        return Rendered(
            " ".join(subject.split()), text, self._fill(page, variables, escaped=True) if page.is_file() else ""
        )

    def safely(self, kind: str, language: str, variables: Mapping[str, Any]) -> Rendered:
        """As `render`; if an admin's template fails, log that and use the built-in one."""
        try:
            return self.render(kind, language, variables)
        except SettingsError as error:
            if self._own is None:
                raise
            log.warning("template.failed", kind=kind, reason=str(error))
            return Templates().render(kind, language, variables)

    def unknown(self, kind: str, language: str) -> Iterator[str]:
        """Given a kind and a language, yield a line for each variable of its template that does not exist."""
        folder, known = self.folder(kind, language), EXAMPLES[kind]
        for file in (folder / name for name in FILES):
            if not file.is_file():
                continue
            tree = self._parsed(file)
            from_outside = meta.find_undeclared_variables(tree) - set(self._text.globals)
            seen = set[str]()
            for line, why in unknown_variables(tree, from_outside, known):
                if why not in seen:
                    seen.add(why)
                    yield f"{file}, line {line}: {why}"

    def _parsed(self, file: Path) -> "nodes.Template":
        try:
            return self._text.parse(_source(file))
        except jinja2.TemplateError as error:
            raise SettingsError(f"{file}, line {getattr(error, 'lineno', '?')}: {error}") from error

    def speaks(self, kind: str, language: str) -> bool:
        """Is there a template of this kind in this language, the admin's or built-in?"""
        return any(is_language(language, existing) for existing in self.languages(kind))

    def languages(self, *kinds: str) -> list[str]:
        """Given kinds (none: all), return the languages of their templates, the admin's and built-in ones, sorted."""
        roots = [root / kind for root in (self._own, BUILT_IN) if root is not None for kind in kinds or _SPOKEN]
        folders = (folder for root in roots if root.is_dir() for folder in root.iterdir())
        return sorted({folder.name for folder in folders if (folder / "body.txt").is_file()})

    def problem(self, language: str, *kinds: str) -> str:
        """Given a language and kinds (none: all), return an error text if that language has no templates, else ""."""
        languages = self.languages(*kinds)
        if any(is_language(language, existing) for existing in languages):
            return ""
        suggestion = did_you_mean(language, languages)
        return f'no templates exist in the language "{language}"{suggestion} ({", ".join(languages)})'

    def folder(self, kind: str, language: str) -> Path:
        """Given a kind and a language in any case, return its template's folder: the admin's, else the built-in one,
        in that language; else likewise in the language without its region, else in English.
        """
        safe_language = (
            language if _LANGUAGE.fullmatch(language) else "en"
        )  # it may be from outside, and names a folder
        for name in (safe_language, safe_language.partition("-")[0], "en"):
            for root in (self._own, BUILT_IN):
                if root is not None and (folder := _in_any_case(root / kind, name)) is not None:
                    return folder
        raise SettingsError(f"template {kind} not found in {self._own or BUILT_IN}")

    def _compile(self, source: str, *, escaped: bool) -> "jinja2.Template":
        return (self._html if escaped else self._text).from_string(source)

    def _fill(self, file: Path, variables: Mapping[str, Any], *, escaped: bool) -> str:
        try:
            text = self._compiled(_source(file), escaped=escaped).render({**variables, **sandbox.steps()})
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            number = getattr(error, "lineno", None)
            line = f", line {number}" if number else ""
            raise SettingsError(f"{file}{line}: {error}") from error
        return text


def is_language(language: str, existing: str) -> bool:
    """Given the tag of a language and one of those that there are, is the latter it, or it without a region?"""
    return existing.lower() in (language.lower(), language.lower().partition("-")[0])


def _in_any_case(kind: Path, language: str) -> Path | None:
    """Given the folder of a kind, return the one in it that is named as the language (tags know no case, RFC 5646
    section 2.1.1) and holds a template; None when there is none.
    """
    if (kind / language / "body.txt").is_file():
        return kind / language
    folders = sorted(kind.iterdir()) if kind.is_dir() else []
    alike = (folder for folder in folders if folder.name.lower() == language.lower())
    return next((folder for folder in alike if (folder / "body.txt").is_file()), None)


def _source(file: Path) -> str:
    try:
        source = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    if len(source) > MAX_TEMPLATE:
        raise SettingsError(f"{file}: is longer than {MAX_TEMPLATE} characters")
    return source


def check_templates(templates: Templates, language: str, kinds: Iterable[str] = KINDS) -> list[str]:
    """Given templates, look for variables that there are not, and render each kind with made-up values. Return one
    line for each that cannot be used.
    """
    problems: list[str] = []
    for kind in kinds:
        try:
            unknown = list(templates.unknown(kind, language))
            problems += unknown
            if not unknown:
                templates.render(kind, language, EXAMPLES[kind])
                problems += _without_signature(templates, language) if kind == FRAME else []
        except SettingsError as error:
            problems.append(str(error))
    return problems


def _signature(
    render: Callable[[str, str, Mapping[str, Any]], Rendered], kind: str, language: str,
    variables: Mapping[str, Any], around: Mapping[str, Any],
) -> tuple[TeamSignature, bool]:  # fmt: skip
    """The signature of a mail, and whether it names the agent who wrote it."""
    if kind in UNSIGNED:
        return TeamSignature(), False
    values = signature_variables(variables, around)
    agent, rendered = values["agent"]["name"], render(SIGNATURE, language, values)
    signature = as_signature(rendered.text, rendered.html)
    if agent not in signature.text:
        return signature, False
    anonymous = render(SIGNATURE, language, {**values, "agent": {"name": ""}})
    return signature, signature.names(agent, as_signature(anonymous.text, anonymous.html))


def _without_signature(templates: Templates, language: str) -> list[str]:
    """A line if the layout of all mails leaves the signature out; what is wrong with that is a line of its own."""
    try:
        rendered = templates.render(SIGNATURE, language, EXAMPLES[SIGNATURE])
    except SettingsError:
        return []
    signature = as_signature(rendered.text, rendered.html)
    shown = {"text": signature.text, "html": signature.html}
    frame = templates.render(FRAME, language, {**EXAMPLES[FRAME], "signature": shown})
    missing = signature.text not in frame.text or (frame.html and signature.html not in frame.html)
    folder = templates.folder(FRAME, language)
    return [f"{folder}: signature.text or signature.html is not used"] if missing else []


def _sandbox(*, escaped: bool) -> "sandbox.Sandbox":
    return sandbox.Sandbox(
        undefined=jinja2.StrictUndefined, autoescape=escaped, trim_blocks=True, lstrip_blocks=True,
        finalize=jinja2.pass_context(_in_language),
    )  # fmt: skip


def _in_language(context: "jinja2.runtime.Context", value: Any) -> Any:
    """Given a value in {{ }}, return what the mail says: a date or the reason of a rule in its language, all else as it
    is.
    """
    if isinstance(value, Moment | RuleReason):
        return value.in_language(str(context.get("language", "")))
    return value
