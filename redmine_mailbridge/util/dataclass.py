"""`dataclasses.dataclass` for a program of 300 such classes, which starts every minute: a fifth of the CPU time of a
start was Python writing and compiling five methods for each class, most of which are never called.

Here all classes share one `__eq__`, `__hash__`, `__repr__` and the refusal to change a frozen object, and the
`__init__` of a class is compiled when the first object is made. Everything else (fields, slots, `replace`, `asdict`)
is the standard library's, and so is what type checkers see.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from dataclasses import dataclass as dataclass  # noqa: PLC0414 - for type checkers: replaced below
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, cast

Methods = dict[str, Any]


@cache
def _compared(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    """Given a class, return what gives the values by which its objects are equal."""
    return _values_of([field.name for field in fields(cls) if field.compare])


@cache
def _hashed(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    """Given a class, return what gives the values of which an object's hash is made."""
    return _values_of([field.name for field in fields(cls) if (field.compare if field.hash is None else field.hash)])


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Given names of fields, return what gives an object's values of them."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _eq(self: Any, other: object) -> Any:
    compared = _compared(self.__class__)
    return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_hashed(self.__class__)(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_set(self: Any, name: str, value: object) -> None:
    del self, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    del self
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


FROZEN: Methods = {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
COPIED: Methods = {"__getstate__": _get_state, "__setstate__": _set_state}
"""How `copy` reads and sets the slots of an object that refuses to be changed."""


def _compiled_init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """Given a class, compile its `__init__`."""
    used: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": MISSING}
    in_order: list[str] = []
    by_name: list[str] = []
    lines: list[str] = []
    for field in fields(cls):
        name, value = field.name, field.name
        default = ""
        if field.default is not MISSING:
            used[f"_default_{name}"], default = field.default, f"=_default_{name}"
        elif field.default_factory is not MISSING:
            used[f"_make_{name}"], default = field.default_factory, "=_MISSING"
            value = f"_make_{name}() if {name} is _MISSING else {name}" if field.init else f"_make_{name}()"
        if field.init:
            (by_name if field.kw_only else in_order).append(f"{name}{default}")
        elif default == "":
            continue  # `__post_init__` sets it
        elif field.default is not MISSING:
            value = f"_default_{name}"
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    arguments = ", ".join(["self", *in_order, *(["*", *by_name] if by_name else ())])
    exec(f"def __init__({arguments}):\n  " + "\n  ".join(lines or ["pass"]), used)  # noqa: S102 - names of fields only
    init: Callable[..., None] = used["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _init_at_first_use(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """Given a class, return an `__init__` that compiles the real one and puts it in its place."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        cls.__init__ = _compiled_init(cls, frozen=frozen)
        cls.__init__(self, *args, **kwargs)

    return __init__


def _made(cls: type, *, frozen: bool = False, eq: bool = True, slots: bool = False, kw_only: bool = False) -> type:
    own = {name for name, value in cls.__dict__.items() if value is not None}  # Python sets `__hash__` to None
    shared: Methods = {"__repr__": _repr}
    if eq:
        shared |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
    shared |= FROZEN if frozen else {}
    shared |= COPIED if frozen and slots else {}
    shared = {name: method for name, method in shared.items() if name not in own}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    for name, method in shared.items():
        setattr(made, name, method)
    if "__init__" not in own:
        made.__init__ = _init_at_first_use(made, frozen=frozen)
    return cast("type", made)


if not TYPE_CHECKING:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Given a class with annotated fields, and `frozen`, `eq`, `slots`, `kw_only`, return it as a dataclass."""
        return (lambda cls: _made(cls, **options)) if cls is None else _made(cls, **options)
