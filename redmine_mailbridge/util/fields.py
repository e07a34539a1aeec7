"""The fields of a dataclass as a row or a JSON object has them."""

from typing import Any


def fields_of(value: Any) -> dict[str, Any]:
    """Given an instance of a dataclass, return its fields by name. What is in them is not copied, unlike by
    `dataclasses.asdict`, which takes several times as long.
    """
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
