"""The questions of `init`: options are not asked; wrong answers are asked again, with what was typed as the default."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

Answers = dict[str, Any]

AUTHORITY = "CA certificate file of your own authority (PEM; - for none)"
KEPT = "Kept as entered; `redmine-mailbridge check` tests it again."
SECRETS = frozenset({"api_key", "gateway_password", "password", "smtp_password"})


def choice(words: Sequence[str]) -> click.Choice[str]:
    """One of some words, in any case."""
    return click.Choice(words, case_sensitive=False)


class Form:
    """The answers so far, by name (None: not given), and the way to ask for more. `tries` says whether answers are
    tested when they are given; `unsaved` names the options and what was detected, which need not be saved.
    """

    def __init__(self, answers: Answers, *, tries: bool = True) -> None:
        self.answers = answers
        self.tries = tries
        self.unsaved = {name for name, value in answers.items() if value is not None}
        self._typed: Answers = {}
        self._keep: Callable[[Answers, Answers], object] = lambda _answers, _typed: None

    def keep_by(self, keep: Callable[[Answers, Answers], object]) -> None:
        """From now on, call `keep` after each answer with the answers that count and with what else was typed."""
        self._keep = keep

    def go_on(self, answers: Answers, typed: Answers) -> None:
        """Take earlier answers that no option overrides; what was `typed` is the default of its question."""
        self.answers |= {name: value for name, value in answers.items() if name not in self.unsaved}
        self._typed |= typed

    def answered(self) -> None:
        """Save the answers so far."""
        answers = {
            name: value for name, value in self.answers.items() if value is not None and name not in self.unsaved
        }
        self._keep(answers, {name: value for name, value in self._typed.items() if name not in answers})

    def found_out(self, answers: Answers) -> None:
        """Take answers that were not typed: they are detected again if `init` is interrupted."""
        self.answers |= answers
        self.unsaved |= {name for name, value in answers.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return self.answers.get(name)

    def ask(self, name: str, question: str, default: Any = None, **how: Any) -> None:
        """Given a name and a question, ask unless there is an answer; the default is what was typed before."""
        if self.answers.get(name) is not None:
            return
        secret = name in SECRETS
        if name in self._typed and default != "":  # where an empty answer is valid, Enter stays empty
            default, how = self._typed[name], how | ({"show_default": False} if secret else {"show_default": True})
            question += " (Enter: as typed before)" if secret else ""
        self.answers[name] = click.prompt(question, default=default, hide_input=secret, **how)
        self.answered()

    def ask_for_authority(self, name: str, *, needed: bool) -> None:
        """Ask for the certificate file of a private authority if a test showed that one is `needed`, or one was typed
        before; a later error, such as a wrong password, does not drop it.
        """
        typed = self._typed.get(name)
        if not needed and not typed:
            return
        self.ask(name, AUTHORITY, typed or "", show_default=bool(typed))
        self.answers[name] = "" if self.answers[name] == "-" else self.answers[name]
        self.answered()

    def confirm(self, name: str, question: str, *, default: bool) -> None:
        """As `ask`, for a yes or no."""
        if self.answers.get(name) is None:
            self.answers[name] = click.confirm(question, default=self._typed.get(name, default))
            self.answered()

    def forget(self, names: Iterable[str]) -> None:
        """Ask these again, with the earlier answers as defaults."""
        self._typed |= {name: self.answers[name] for name in names if self.answers.get(name) is not None}
        self.answers |= dict.fromkeys(names)
        self.unsaved -= set(names)
        self.answered()

    def until_right(self, names: Sequence[str], ask: Callable[[], None], trial: Callable[[], str]) -> None:
        """Ask, and test the answers. Print what is wrong and ask those `names` again, each with what was typed as its
        default; the same answers given twice are accepted.
        """
        before: Answers | None = None
        while True:
            ask()
            wrong = trial() if self.tries else ""
            if not wrong:
                return
            click.secho(wrong, fg="red")
            now = {name: self.answers.get(name) for name in names}
            if now == before:
                click.secho(KEPT, fg="yellow")
                return
            before = now
            self.forget(names)


def from_environment(variable: str) -> str | None:
    """Given the name of a variable, return its value; None if it is empty or unset."""
    return os.environ.get(variable) or None
