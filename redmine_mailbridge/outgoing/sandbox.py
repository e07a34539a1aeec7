"""The sandbox in which templates run: nothing can be changed, no text grows huge, and every loop ends.

jinja2's own forbids what is dangerous in Python; here what could fill the memory or the time is counted or left out:
each turn of a loop and each call costs a step, each text that is joined has an end, and what makes a text of any length
from a number (`*`, `%`, center, ljust, format …) is not there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from itertools import islice
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import soft_str

MAX_RESULT = 4 * 1024 * 1024
MAX_STEPS = 20_000
MAX_POWER = 64
FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "forceescape",
    "groupby", "int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "reverse", "round", "safe", "select", "selectattr", "sort", "string", "striptags", "sum", "title", "trim",
    "truncate", "unique", "upper", "urlencode", "wordcount", "wordwrap",
})  # fmt: skip
"""jinja2's filters that make no more of what they are given, or not much."""
GLOBALS = frozenset({"range", "dict", "namespace", "cycler", "joiner"})
OF_TEXTS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal", "isdigit",
    "islower", "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix",
    "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
    "swapcase", "title", "upper",
})  # fmt: skip
"""What texts can do here. `replace`, `join` and `indent` are filters."""
_STEPS = " steps"  # a name that no template can write
_COUNTED = "_counted"
SAME_ITEMS = frozenset({_COUNTED, "list", "reverse", "sort"})
"""The filters of a list that give its own items."""


class Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's, with limits. Render with `steps()` among the variables, which holds what is left of a rendering."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        limited: Mapping[str, Callable[..., Any]] = {
            "join": _join, "replace": _replace, "indent": _indent, _COUNTED: _counted,
        }  # fmt: skip
        self.filters = {name: function for name, function in self.filters.items() if name in FILTERS} | dict(limited)
        self.globals = {name: function for name, function in self.globals.items() if name in GLOBALS}
        self.concat = _concat  # type: ignore[method-assign]  # jinja2 declares the method of a text

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse to multiply or to format texts, sums that are too long, and powers that take for ever."""
        texts = isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple)
        if operator in {"*", "**", "%"} and texts:
            raise TemplateError(f"{operator} is not allowed on texts")
        if operator == "**" and not -MAX_POWER <= right <= MAX_POWER:
            raise TemplateError("the number grows too large")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, str | list | tuple) and len(result) > MAX_RESULT:
            raise TemplateError("the text grows too long")
        if isinstance(result, int) and abs(result) > 10**18:
            raise TemplateError("the number grows too large")
        return result

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Texts can do what is in OF_TEXTS, and hold what they were made with; numbers can do nothing."""
        if isinstance(obj, str):
            return attr in OF_TEXTS or attr in getattr(obj, "__dict__", ())
        return not isinstance(obj, int | float | bytes) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """No text's `format`, safe or not: a width in it makes a text of any length."""

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what may be called; that is a step."""
        _step(context)
        return super().call(context, obj, *args, **kwargs)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counting().visit(super()._parse(source, name, filename))
        return tree


class _Counting(NodeTransformer):
    """Has each turn of a loop counted, and each `~` be a `+`, whose length is looked at."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - so named by jinja2
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, _COUNTED, [], [], None, None, lineno=node.iter.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802 - likewise
        self.generic_visit(node)
        texts: list[nodes.Expr] = [
            nodes.Filter(part, "string", [], [], None, None, lineno=node.lineno) for part in node.nodes
        ]
        return reduce(lambda left, right: nodes.Add(left, right, lineno=node.lineno), texts)


def steps() -> dict[str, list[int]]:
    """A variable for one rendering: how many steps it may take."""
    return {_STEPS: [MAX_STEPS]}


def _step(context: Context) -> None:
    left = context.get(_STEPS)
    if left is None:
        return
    left[0] -= 1
    if left[0] < 0:
        raise TemplateError(f"takes more than {MAX_STEPS} steps")


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    for element in items:
        _step(context)
        yield element


def _concat(pieces: Iterable[str]) -> str:
    """As "".join, to an end."""
    made, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_RESULT:
            raise TemplateError("the text grows too long")
        made.append(piece)
    return "".join(made)


def _join(items: Iterable[Any], between: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        items = (element[attribute] for element in items)
    texts = [soft_str(element) for element in islice(items, MAX_STEPS + 1)]
    if len(texts) > MAX_STEPS or sum(map(len, texts)) + len(between) * len(texts) > MAX_RESULT:
        raise TemplateError("the text grows too long")
    return soft_str(between).join(texts)


def _replace(text: str, old: str, new: str) -> str:
    text = soft_str(text)
    if len(text) + text.count(old) * len(new) > MAX_RESULT:
        raise TemplateError("the text grows too long")
    return text.replace(old, new)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    """Given a text, return it with each line but the first (unless `first`) moved in by at most 40 blanks."""
    space = " " * min(max(width, 0), 40)
    lines = soft_str(text).splitlines()
    return "\n".join(space + line if line and (number or first) else line for number, line in enumerate(lines))
