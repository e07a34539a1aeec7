"""The variables that a template names and that do not exist, wherever they stand in its source. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from redmine_mailbridge.outgoing.template_variables import CustomFieldValues
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.util.suggest import did_you_mean

if TYPE_CHECKING:
    from jinja2 import nodes

    from redmine_mailbridge.outgoing import sandbox
else:  # a pass that sends no mail needs none of it
    nodes = lazy_import("jinja2.nodes")
    sandbox = lazy_import("redmine_mailbridge.outgoing.sandbox")


def unknown_variables(
    tree: "nodes.Node", names: Collection[str], known: Mapping[str, Any]
) -> Iterator[tuple[int, str]]:
    """Given a template's tree, the names that it does not define itself, and the known variables with example values,
    yield line and text of each undefined expression.
    """
    yield from _unknown(tree, names, known)
    yield from _unknown_of_items(tree, names, known)


def _unknown(tree: "nodes.Node", names: Collection[str], known: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Given a tree, the names to check and the known values, yield line and text of each undefined expression."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        path = _path(node)
        why = _missing(path, known) if path is not None and path[0] in names else None
        if why is not None:
            yield node.lineno, why


def _unknown_of_items(
    tree: "nodes.Node", names: Collection[str], known: Mapping[str, Any]
) -> Iterator[tuple[int, str]]:
    """The same for the names that loops over known lists give to their items."""
    for loop in tree.find_all(nodes.For):
        items: nodes.Node | None = loop.iter
        while isinstance(items, nodes.Filter) and items.name in sandbox.SAME_ITEMS:
            items = items.node
        path = _path(items) if items is not None else None
        if path is None or path[0] not in names or not isinstance(loop.target, nodes.Name) or _missing(path, known):
            continue
        known_value: Any = known
        for word in path:
            known_value = known_value[word] if isinstance(known_value, Mapping) else getattr(known_value, word, None)
        if isinstance(known_value, list) and known_value and isinstance(known_value[0], Mapping):
            item = {loop.target.name: known_value[0]}
            for statement in loop.body:
                yield from _unknown(statement, item, item)


def _path(node: "nodes.Node") -> list[str] | None:
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
        if isinstance(here, CustomFieldValues):
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
