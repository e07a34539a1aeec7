"""What every table of the settings is: frozen, closed to unknown keys, silent about its input."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict


class Table(BaseModel):
    """One table of the settings file. Its docstring and its fields' descriptions are the reference's text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


def key(
    description: str, default: Any = ..., *, shown: str | None = None, walked: bool = True, **constraints: Any
) -> Any:
    """Given a description and a default (none: the key must be given), return the field of one key.

    `shown` is the default in words where it depends on other keys. A table that is not `walked` repeats the keys of
    another: whoever lists all keys passes it over. `constraints` are pydantic's (ge, min_length …).
    A callable default is given the keys before it as a dict, and returns the default.
    """
    extra: JsonDict | None = {"default_text": shown} if shown is not None else None if walked else {"walked": False}
    if callable(default):
        return Field(default_factory=default, description=description, json_schema_extra=extra, **constraints)
    return Field(default, description=description, json_schema_extra=extra, **constraints)
