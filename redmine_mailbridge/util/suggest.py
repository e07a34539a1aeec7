"""The "did you mean" of error texts."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

V = TypeVar("V")


class NameMap(dict[str, V]):
    """Values by lower-case name. `spellings` holds each name as its owner writes it, which is what a hint shows."""

    def __init__(self, names: Iterable[tuple[str, V]] = ()) -> None:
        """Given names in any case with their values, keep the first of those that differ only in case."""
        super().__init__()
        self.spellings: dict[str, str] = {}
        for name, value in names:
            if name.lower() not in self:
                self[name.lower()] = value
                self.spellings[name.lower()] = name


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Given an unknown word and the known ones, return the one that was probably meant, or None.

    A single candidate that the word begins ("prot" for "protocol") wins over one that is merely spelt alike. The
    candidate keeps its case: that of its `spellings`, where the candidates have them (NameMap).
    """
    spellings: Mapping[str, str] = getattr(candidates, "spellings", {})
    spelled = [spellings.get(candidate, candidate) for candidate in dict.fromkeys(candidates)]
    folded = word.casefold()
    same = [name for name in spelled if name.casefold() == folded]
    begun = [name for name in spelled if len(folded) >= 3 and name.casefold().startswith(folded)]
    if same or len(begun) == 1:
        return (same or begun)[0]
    by_folded = {name.casefold(): name for name in spelled}
    near = difflib.get_close_matches(folded[:200], by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ', did you mean "…"?', or "" if nothing is similar."""
    near = closest(word, candidates)
    return f', did you mean "{near}"?' if near is not None else ""
