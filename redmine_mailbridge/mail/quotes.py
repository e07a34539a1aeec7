"""stub"""
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """stub"""
    written: str
    quoted: str = ""
    rule: str = ""


def split_reply(text: str, delimiters: Sequence[re.Pattern[str]] = ()) -> Split:
    """stub"""
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if any(d.search(line) for d in delimiters):
            return Split("\n".join(lines[:i]), "\n".join(lines[i:]), "delimiter")
    return Split(text)
