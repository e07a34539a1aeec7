"""The dataclasses of this program behave as the standard library's do, which the same classes are compared with."""

import copy
import dataclasses
import pickle
import re
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import pytest

from redmine_mailbridge.settings.init_file import InitFile
from redmine_mailbridge.util import dataclass as ours
from redmine_mailbridge.web.authentication import SignedInPerson
from redmine_mailbridge.web.redmine_user import Administrator
from tests import layout

VALUE = {"frozen": True, "slots": True}


def _point(decorator: Any, **options: bool) -> Any:
    @decorator(**options)
    class Point:
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list)
        secret: str = field(default="s", repr=False)
        seen: int = field(default=0, compare=False)
        total: int = field(init=False, default=0)

        @property
        def area(self) -> int:
            return self.x * self.y

    return Point


@dataclasses.dataclass
class _Made:
    mine: Any
    standard: Any


@pytest.fixture(params=[VALUE, {"slots": True}, {"frozen": True}, {"eq": False, "slots": True}], ids=str)
def point(request: pytest.FixtureRequest) -> _Made:
    """The same class, made by ours and by the standard library's decorator."""
    return _Made(_point(ours.dataclass, **request.param), _point(dataclasses.dataclass, **request.param))


def test_objects_are_made_shown_and_replaced_alike(point: _Made) -> None:
    """Defaults, factories, what `repr` hides, `replace`, `asdict` and patterns are the standard library's."""
    for args, kwargs in (((1,), {}), ((1, 3), {"tags": ["a"]}), ((), {"x": 5, "seen": 7, "secret": "t"})):
        mine, standard = point.mine(*args, **kwargs), point.standard(*args, **kwargs)
        assert repr(standard) == repr(mine)
        assert dataclasses.asdict(standard) == dataclasses.asdict(mine)
        assert repr(replace(standard, y=9)) == repr(replace(mine, y=9))
        assert standard.area == mine.area
    assert [one.name for one in fields(point.standard)] == [one.name for one in fields(point.mine)]
    assert point.standard.__match_args__ == point.mine.__match_args__
    assert point.mine(1).tags is not point.mine(1).tags


def test_objects_are_compared_and_hashed_alike(point: _Made) -> None:
    """Two are equal by their compared values and class; what cannot be hashed there cannot be hashed here."""
    pairs = [((1,), {"seen": 5}), ((2,), {}), ((1,), {"tags": ["a"]})]
    for args, kwargs in pairs:
        expected = point.standard(1) == point.standard(*args, **kwargs)
        assert expected == (point.mine(1) == point.mine(*args, **kwargs))
    assert point.mine(1) != point.standard(1)
    hashable = {made: made.__hash__ is not None for made in (point.mine, point.standard)}
    assert hashable[point.standard] == hashable[point.mine]


def test_equal_values_have_one_hash() -> None:
    """A frozen value is a key of a dict; one with a single field too."""

    @ours.dataclass(frozen=True, slots=True)
    class Key:
        name: str

    @ours.dataclass(frozen=True, slots=True)
    class Empty:
        pass

    assert {Key("a"), Key("b")} == {Key("a"), Key("a"), Key("b")}
    assert {Key("a"): 1}[Key("a")] == 1
    assert Empty() == Empty()
    assert repr(Empty()).endswith("Empty()")


def test_a_frozen_object_refuses_changes() -> None:
    """Neither a field nor anything else is set or deleted, after the first object as before."""
    for _ in range(2):
        value = _point(ours.dataclass, **VALUE)(1)
        for name in ("x", "other"):
            with pytest.raises(FrozenInstanceError):
                setattr(value, name, 5)
            with pytest.raises(FrozenInstanceError):
                delattr(value, name)


@pytest.mark.parametrize("wrong", [{}, {"x": 1, "unknown": 2}, {"x": 1, "total": 3}], ids=str)
def test_wrong_arguments_are_refused(wrong: dict[str, int]) -> None:
    """A missing or an unknown argument is a TypeError, as with the standard library's."""
    for decorator in (ours.dataclass, dataclasses.dataclass):
        with pytest.raises(TypeError):
            _point(decorator, **VALUE)(**wrong)


def test_what_a_class_defines_itself_stays() -> None:
    """Own `__repr__`, `__eq__` and `__hash__` are kept; `__post_init__` runs; keyword-only fields are."""

    @ours.dataclass(frozen=True, slots=True, kw_only=True)
    class Own:
        name: str
        size: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "size", len(self.name))

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and self.size == other.size

        def __hash__(self) -> int:
            return self.size

    assert (3, "own") == (Own(name="abc").size, repr(Own(name="abc")))
    assert Own(name="abc") == Own(name="xyz")
    assert hash(Own(name="abc")) == 3
    with pytest.raises(TypeError):
        Own("abc")  # type: ignore[misc]


@pytest.mark.fault("A31-2")
def test_an_own_init_and_a_field_left_out_of_the_hash() -> None:
    """A class's own `__init__` is kept, and `field(hash=False)` is obeyed, as with the standard library's."""

    def own_init(decorator: Any) -> str:
        @decorator
        class Own:
            x: int

            def __init__(self) -> None:
                self.x = 9

        return repr(Own())

    def same_hash(decorator: Any) -> bool:
        @decorator(frozen=True)
        class Hashed:
            x: int
            y: list[int] = field(hash=False)

        assert Hashed(1, [2]) != Hashed(1, [3])
        return hash(Hashed(1, [2])) == hash(Hashed(1, [3]))

    assert own_init(dataclasses.dataclass) == own_init(ours.dataclass)
    assert (True, True) == (same_hash(dataclasses.dataclass), same_hash(ours.dataclass))


@pytest.mark.fault("A31-6")
def test_what_holds_a_secret_does_not_show_it() -> None:
    """No `repr` has an administrator's API key, what rights are checked with, or the secrets of a new settings file."""
    assert "s3cret" not in repr(Administrator("ann", "Ann", "s3cret"))
    assert "s3cret" not in repr(SignedInPerson("ann", "Ann", "redmine", "s3cret"))
    assert "s3cret" not in repr(InitFile({}, {"redmine-api-key": "s3cret"}))


@ours.dataclass(frozen=True, slots=True)
class _Base:
    a: int


@ours.dataclass(frozen=True, slots=True)
class _Derived(_Base):
    b: int = 2


def test_derived_classes_and_copies() -> None:
    """A derived class has the fields of both and is equal to its own kind only; values are copied and pickled."""
    value = _Derived(1)
    assert (1, 2) == (value.a, value.b)
    assert _Base(1) != value
    assert value == copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))  # noqa: S301 - its own


def test_an_init_is_compiled_when_the_first_object_is_made() -> None:
    """Nothing is compiled for a class of which no object is made; after the first, the class has its own `__init__`."""
    made = _point(ours.dataclass, **VALUE)
    assert "x" not in made.__init__.__code__.co_varnames
    made(1)
    assert made.__init__.__code__.co_varnames[:3] == ("self", "x", "y")


def test_the_package_makes_its_dataclasses_here() -> None:
    """No module of the package has the standard library generate the methods of its classes at each start."""
    standard = re.compile(r"^\s*from dataclasses import .*\bdataclass\b|dataclasses\.dataclass\(", re.MULTILINE)
    modules = {name: file for name, file in layout.modules().items() if name != "util.dataclass"}
    generated = [name for name, file in modules.items() if standard.search(file.read_text("utf-8"))]
    assert [] == generated
