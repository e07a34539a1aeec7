"""The questions of `init`: what is given is not asked, what was wrong is asked again, with what was typed."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

Answers = dict[str, Any]
Trial = Callable[[], str]
"""Tries answers. Returns what is wrong with them, in lines, or ""."""

AUTHORITY = "File with the certificate of your own authority (PEM; -: none)"
KEPT = "Kept as it is: `redmine-mailbridge check` tries it again."
SECRETS = frozenset({"api_key", "gateway_password", "password", "smtp_password"})


def choice(words: Sequence[str]) -> click.Choice[str]:
    """One of some words, in any case."""
    return click.Choice(words, case_sensitive=False)


class Form:
    """The answers so far, by name (None: not given), and how further ones are had. `tries` says whether answers are
    tried when they are given; `given` are the flags' and what was found out, which need not be kept.
    """

    def __init__(self, answers: Answers, *, tries: bool = True) -> None:
        self.answers = answers
        self.tries = tries
        self.given = {name for name, value in answers.items() if value is not None}
        self._typed: Answers = {}
        self._keep: Callable[[Answers, Answers], object] = lambda _answers, _typed: None

    def keep_by(self, keep: Callable[[Answers, Answers], object]) -> None:
        """From now on have `keep` keep, after each answer, the answers that count and what was typed besides."""
        self._keep = keep

    def go_on(self, answers: Answers, typed: Answers) -> None:
        """Take answers of before, where no flag says otherwise; what was `typed` is the default of its question."""
        self.answers |= {name: value for name, value in answers.items() if name not in self.given}
        self._typed |= typed

    def answered(self) -> None:
        """Keep what was answered so far."""
        told = {name: value for name, value in self.answers.items() if value is not None and name not in self.given}
        self._keep(told, {name: value for name, value in self._typed.items() if name not in told})

    def found_out(self, answers: Answers) -> None:
        """Take answers that nobody typed: they are found out anew when `init` is broken off."""
        self.answers |= answers
        self.given |= {name for name, value in answers.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return self.answers.get(name)

    def ask(self, name: str, question: str, default: Any = None, **how: Any) -> None:
        """Given a name and a question, ask unless there is an answer; what was typed before is the default then."""
        if self.answers.get(name) is not None:
            return
        secret = name in SECRETS
        if name in self._typed and default != "":  # where nothing is an answer too, Enter stays that
            default, how = self._typed[name], how | ({"show_default": False} if secret else {"show_default": True})
            question += " (Enter: as typed before)" if secret else ""
        self.answers[name] = click.prompt(question, default=default, hide_input=secret, **how)
        self.answered()

    def ask_for_authority(self, name: str, *, needed: bool) -> None:
        """Ask for the file of an own authority's certificate where a trial showed that one is `needed`, or one was
        typed before: what another trial says, of a password perhaps, does not take it back.
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
        """Have these asked again, with what was answered as the default."""
        self._typed |= {name: self.answers[name] for name in names if self.answers.get(name) is not None}
        self.answers |= dict.fromkeys(names)
        self.given -= set(names)
        self.answered()

    def until_right(self, names: Sequence[str], ask: Callable[[], None], trial: Trial) -> None:
        """Ask, and try what was answered. What is wrong is told, and those `names` are asked again, each with what was
        typed as its default; who gives the same answers twice means them.
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
    """Given the name of a variable, return what it says; None when that is nothing."""
    return os.environ.get(variable) or None
