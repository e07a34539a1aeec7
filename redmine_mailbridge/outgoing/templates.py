"""Templates: one folder a kind of mail, one below it a language, in it subject.txt, body.txt and (if wanted) body.html.

An admin copies a kind's folder into the folder named in the settings and edits it there; what is missing there is
taken from ours. They run in a sandbox (`outgoing.sandbox`) that refuses a variable that does not exist.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.outgoing.sandbox import SAME_ITEMS, Sandbox, steps
from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS, Fields
from redmine_mailbridge.util.suggest import did_you_mean

log = structlog.get_logger(__name__)

FILES = ("subject.txt", "body.txt", "body.html")

OURS = Path(__file__).parent / "templates"
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
        self._text = Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
        self._html = Sandbox(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._compiled = lru_cache(256)(self._compile)

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

    def safely(self, kind: str, language: str, variables: Mapping[str, Any]) -> Rendered:
        """As `render`; a template of the admin's that fails is told in the log, and ours speaks in its place."""
        try:
            return self.render(kind, language, variables)
        except SettingsError as error:
            if self._own is None:
                raise
            log.warning("template.failed", kind=kind, reason=str(error))
            return Templates().render(kind, language, variables)

    def unknown(self, kind: str, language: str) -> Iterator[str]:
        """Given a kind and a language, yield a line for each variable of its template that there is not."""
        folder, known = self.folder(kind, language), EXAMPLES[kind]
        for file in (folder / name for name in FILES):
            if not file.is_file():
                continue
            tree = self._parsed(file)
            from_outside = meta.find_undeclared_variables(tree) - set(self._text.globals)
            seen = set[str]()
            for line, why in (*_unknown(tree, from_outside, known), *_unknown_of_items(tree, from_outside, known)):
                if why not in seen:
                    seen.add(why)
                    yield f"{file}, line {line}: {why}"

    def _parsed(self, file: Path) -> nodes.Template:
        try:
            return self._text.parse(_source(file))
        except TemplateError as error:
            raise SettingsError(f"{file}, line {getattr(error, 'lineno', '?')}: {error}") from error

    def folder(self, kind: str, language: str) -> Path:
        """Given a kind and a language, return the folder that holds its template: the admin's, or ours, or English."""
        wanted = language if _LANGUAGE.fullmatch(language) else "en"  # it may be from outside, and names a folder
        for root in (self._own, OURS):
            for name in (wanted, wanted.partition("-")[0], "en"):
                if root is not None and (root / kind / name / "body.txt").is_file():
                    return root / kind / name
        raise SettingsError(f"there is no template {kind} in {self._own or OURS}")

    def _compile(self, source: str, *, escaped: bool) -> Template:
        return (self._html if escaped else self._text).from_string(source)

    def _one(self, file: Path, variables: Mapping[str, Any], *, escaped: bool) -> str:
        try:
            text = self._compiled(_source(file), escaped=escaped).render({**variables, **steps()})
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            number = getattr(error, "lineno", None)
            line = f", line {number}" if number else ""
            raise SettingsError(f"{file}{line}: {error}") from error
        return text


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
        except SettingsError as error:
            problems.append(str(error))
    return problems


def _unknown(tree: nodes.Node, names: Collection[str], known: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Given a tree and the names that mean what is known, yield line and words for each expression that is nothing."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        path = _path(node)
        why = _missing(path, known) if path is not None and path[0] in names else None
        if why is not None:
            yield node.lineno, why


def _unknown_of_items(tree: nodes.Node, names: Collection[str], known: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The same for the names that loops over known lists give to their items."""
    for loop in tree.find_all(nodes.For):
        items: nodes.Node | None = loop.iter
        while isinstance(items, nodes.Filter) and items.name in SAME_ITEMS:
            items = items.node
        path = _path(items) if items is not None else None
        if path is None or path[0] not in names or not isinstance(loop.target, nodes.Name) or _missing(path, known):
            continue
        found: Any = known
        for word in path:
            found = found[word] if isinstance(found, Mapping) else getattr(found, word, None)
        if isinstance(found, list) and found and isinstance(found[0], Mapping):
            item = {loop.target.name: found[0]}
            for statement in loop.body:
                yield from _unknown(statement, item, item)


def _path(node: nodes.Node) -> list[str] | None:
    """Given an expression such as issue.id or fields["x"], return its words; None when it is another."""
    match node:
        case nodes.Name():
            return [node.name]
        case nodes.Getattr():
            before = _path(node.node)
            return None if before is None else [*before, node.attr]
        case nodes.Getitem(arg=nodes.Const(value=str(word))):
            before = _path(node.node)
            return None if before is None else [*before, word]
    return None


def _missing(path: list[str], known: Mapping[str, Any]) -> str | None:
    """Given the words of an expression, return what is wrong with it; None when there is such a thing."""
    here: Any = known
    for number, word in enumerate(path):
        if isinstance(here, Fields):
            return None
        if isinstance(here, Mapping):
            if word not in here:
                name = ".".join(path[: number + 1])
                return f"{name} does not exist here{did_you_mean(word, list(here))}"
            here = here[word]
        elif not hasattr(here, word):
            return f"{'.'.join(path[: number + 1])} does not exist here"
        else:
            return None
    return None
