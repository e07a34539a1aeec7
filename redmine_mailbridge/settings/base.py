"""The base of all tables of the settings: frozen, closed to unknown keys; its input never appears in errors."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict


class SettingsTable(BaseModel):
    """One table of the settings file. Its docstring and field descriptions are the text of the reference page."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


def setting(
    description: str, default: Any = ..., *, shown: str | None = None, walked: bool = True, **constraints: Any
) -> Any:
    """Given a description and a default (none: the key is required), return the field of one key.

    `shown` describes a default that depends on other keys. A table that is not `walked` repeats the keys of
    another table: code that lists all keys skips it. `constraints` are pydantic's (ge, min_length …).
    A callable default receives the keys before it as a dict and returns the default.
    """
    extra: JsonDict | None = {"default_text": shown} if shown is not None else None if walked else {"walked": False}
    if callable(default):
        return Field(default_factory=default, description=description, json_schema_extra=extra, **constraints)
    return Field(default, description=description, json_schema_extra=extra, **constraints)
