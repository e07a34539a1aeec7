"""One of many names, such as a project of two thousand: a part of it is enough to be shown those that hold it."""

from collections.abc import Mapping

from redmine_mailbridge.cli.setup.form import Form
from redmine_mailbridge.util.suggest import did_you_mean

SHOWN = 20
"""How many names are shown at once."""


class Choice:
    """Asks for one of `names`, each with what people call it ("" for nothing else): by the whole name, by a number of
    those that were shown last, or by a part of either, which shows those that hold it.
    """

    def __init__(self, form: Form, what: str, names: Mapping[str, str]) -> None:
        self._form = form
        self._what = what
        self._names = names
        self._shown: list[str] = []

    def begin(self) -> str:
        """What there is, in lines, before anything is asked; "" when that is not known."""
        return f"{self._what.capitalize()}s:{self._lines(list(self._names))}" if self._names else ""

    def settle(self) -> str:
        """Given what was answered, turn it into one of the names. Return "" when that is done, or nobody knows the
        names; else what to do, in lines.
        """
        said = str(self._form[self._what] or "").strip()
        if not said or not self._names:
            return ""
        if len(exact := self._exact(said)) == 1:
            self._form.answers[self._what] = exact[0]
            return ""
        found = exact or self._holding(said)
        if not found:
            known = [*self._names, *filter(None, self._names.values())]
            return f'There is no {self._what} "{said}", or the key does not see it{did_you_mean(said, known)}'
        if len(found) == 1:
            self._form.answers[self._what] = found[0]  # Enter takes it
            return f'One {self._what} holds "{said}": {self._called(found[0])} (Enter: that one)'
        return f'{len(found)} {self._what}s hold "{said}":{self._lines(found)}'

    def _exact(self, said: str) -> list[str]:
        """The names that are meant by what people call them, or by their number among those that were shown last."""
        folded = said.casefold()
        found = [name for name in self._names if name.casefold() == folded]
        found = found or [name for name, title in self._names.items() if title.casefold() == folded]
        if not found and said.isdecimal() and 0 < int(said) <= len(self._shown):
            return [self._shown[int(said) - 1]]
        return found

    def _holding(self, said: str) -> list[str]:
        """The names that hold it, those that begin with it first."""
        folded = said.casefold()
        found = [name for name, title in self._names.items() if folded in f"{name}\n{title}".casefold()]
        return sorted(found, key=lambda name: not f"{name}\n{self._names[name]}".casefold().startswith(folded))

    def _called(self, name: str) -> str:
        title = self._names[name]
        return f"{name} ({title})" if title and title.casefold() != name.casefold() else name

    def _lines(self, names: list[str]) -> str:
        """Names to choose from: all in one line where they are few, else the first ones with a number each."""
        if len(self._names) <= SHOWN:
            return " " + ", ".join(map(self._called, names))
        self._shown = names[:SHOWN]
        lines = [f"  {number:>2}  {self._called(name)}" for number, name in enumerate(self._shown, 1)]
        more = len(names) - len(self._shown)
        lines += [f"  and {more} more: a part of the name shows those that hold it"] if more else []
        return "\n".join(["", *lines])
