"""The "did you mean" of every error text."""

import difflib
from collections.abc import Iterable


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Given a word that is not known and those that are, return the one that was probably meant, or None.

    A single candidate that the word begins ("prot" for "protocol") wins over one that is merely spelt alike.
    """
    known = list(dict.fromkeys(candidates))
    folded = word.casefold()
    same = [c for c in known if c.casefold() == folded]
    begun = [c for c in known if len(folded) >= 3 and c.casefold().startswith(folded)]
    if same or len(begun) == 1:
        return (same or begun)[0]
    by_folded = {c.casefold(): c for c in known}
    near = difflib.get_close_matches(folded[:200], by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ', did you mean "…"?', or "" when nothing is near."""
    near = closest(word, candidates)
    return f', did you mean "{near}"?' if near is not None else ""
