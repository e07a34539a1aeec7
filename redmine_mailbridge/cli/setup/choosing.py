"""A choice among many names, such as two thousand projects: part of a name lists those that contain it."""

from collections.abc import Mapping

from redmine_mailbridge.cli.setup.form import Form
from redmine_mailbridge.util.suggest import did_you_mean

SHOWN = 20
"""The most names that are listed at once."""


class Choice:
    """Asks for one of `names`, each with its title ("" for none): by the whole name, by its number in the last list, or
    by part of a name or title, which lists those that contain it.
    """

    def __init__(self, form: Form, what: str, names: Mapping[str, str]) -> None:
        self._form = form
        self._what = what
        self._names = names
        self._shown: list[str] = []

    def begin(self) -> str:
        """The choices, in lines, before the question; "" if they are not known."""
        return f"{self._what.capitalize()}s:{self._lines(list(self._names))}" if self._names else ""

    def settle(self) -> str:
        """Turn the answer into one of the names. Return "" when that is done or the names are not known; else what to
        do, in lines.
        """
        answer = str(self._form[self._what] or "").strip()
        if not answer or not self._names:
            return ""
        if len(exact := self._exact(answer)) == 1:
            self._form.answers[self._what] = exact[0]
            return ""
        matches = exact or self._holding(answer)
        if not matches:
            suggestions = [*self._names, *filter(None, self._names.values())]
            return f'no {self._what} is called "{answer}", or the key cannot see it{did_you_mean(answer, suggestions)}'
        if len(matches) == 1:
            self._form.answers[self._what] = matches[0]  # Enter takes it
            return f'One {self._what} contains "{answer}": {self._called(matches[0])} (press Enter to use it)'
        return f'{len(matches)} {self._what}s contain "{answer}":{self._lines(matches)}'

    def _exact(self, answer: str) -> list[str]:
        """The names with this exact name or title, or the one with this number in the last list."""
        folded = answer.casefold()
        matches = [name for name in self._names if name.casefold() == folded]
        matches = matches or [name for name, title in self._names.items() if title.casefold() == folded]
        if not matches and answer.isdecimal() and 0 < int(answer) <= len(self._shown):
            return [self._shown[int(answer) - 1]]
        return matches

    def _holding(self, answer: str) -> list[str]:
        """The names that contain it, those that begin with it first."""
        folded = answer.casefold()
        matches = [name for name, title in self._names.items() if folded in f"{name}\n{title}".casefold()]
        return sorted(matches, key=lambda name: not f"{name}\n{self._names[name]}".casefold().startswith(folded))

    def _called(self, name: str) -> str:
        title = self._names[name]
        return f"{name} ({title})" if title and title.casefold() != name.casefold() else name

    def _lines(self, names: list[str]) -> str:
        """The choices: all in one line if they are few, else the first ones, each with a number."""
        if len(self._names) <= SHOWN:
            return " " + ", ".join(map(self._called, names))
        self._shown = names[:SHOWN]
        lines = [f"  {number:>2}  {self._called(name)}" for number, name in enumerate(self._shown, 1)]
        more = len(names) - len(self._shown)
        lines += [f"  and {more} more: type part of a name to list those that contain it"] if more else []
        return "\n".join(["", *lines])
