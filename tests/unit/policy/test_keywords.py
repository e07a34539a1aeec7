"""Keyword lines beyond the tables: languages, markup, and lines that come back out of a longer text."""

import pytest

from redmine_mailbridge.policy.field_names import LANGUAGES, means_yes, no_subject, words_for
from redmine_mailbridge.policy.keywords import Keywords, find_keywords
from redmine_mailbridge.settings.issue import KEYWORDS
from tests.growth import growth

ALL = frozenset({"all"})


VALUES = {"start_date": "2026-05-20", "due_date": "2026-05-20", "done_ratio": "40", "is_private": "1"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_every_key(language: str) -> None:
    """Each of a language's own names of each key is understood where that language is read."""
    words = words_for(language)
    assert set(KEYWORDS) == set(words)
    for key, names in words.items():
        for name in (names,) if isinstance(names, str) else names:
            value = VALUES.get(key, "x")
            assert value == find_keywords(f"{name} : {value}", ALL, (language,), ()).values.get(key), name


def test_languages_of_others_are_text() -> None:
    """The words of a language that is not read are text."""
    assert Keywords() == find_keywords("Priorität: hoch", ALL, ("fr",), ())
    assert {} == words_for("tlh")


@pytest.mark.parametrize(
    "line", [r"Assigned to: john\_smith", "Assigned to: john&#95;smith", "Assigned\u00a0to: john\u200b_smith"]
)
def test_what_keeps_text_from_coming_to_life_is_taken_off(line: str) -> None:
    """A value is what was written, whatever the markup needed."""
    assert {"assigned_to": "john_smith"} == find_keywords(line, ALL, (), ()).values


def test_lines_are_taken_out_once() -> None:
    """Only the first occurrence of a line is blanked, and its line break stays."""
    found = find_keywords("Priority: High\nx\nPriority: High", ALL, (), ())
    assert "\nx\nPriority: High\n> Priority: High" == found.without(
        "Priority: High\nx\nPriority: High\n> Priority: High"
    )


def test_custom_fields_by_name() -> None:
    """A custom field's own name is a key, in any case, if it is allowed."""
    assert {"Float field": "2"} == find_keywords(
        "FLOAT FIELD: 2", frozenset({"float_field"}), (), ["Float field"]
    ).values
    assert Keywords() == find_keywords("Float field: 2", frozenset({"status"}), (), ["Float field"])


def test_only_the_first_thousand_characters_of_a_line_are_read() -> None:
    """A value ends there, and a colon behind them makes no keyword line."""
    assert {"category": "x" * 990} == find_keywords("Category: " + "x" * 2000, ALL, (), ()).values
    assert {"Order": "1"} == find_keywords("Order" + " " * 993 + ":1", ALL, (), ["Order"]).values
    assert Keywords() == find_keywords("Order" + " " * 994 + ":1", ALL, (), ["Order"])


def test_a_key_without_a_value_is_text_and_leaves_the_key_to_a_later_line() -> None:
    assert Keywords() == find_keywords("Priority:", ALL, (), ())
    assert {"priority": "High"} == find_keywords("Priority: \nPriority: High", ALL, (), ()).values


def test_yes_in_any_language() -> None:
    """A yes-or-no keyword takes 1, yes, and the language's own word."""
    assert means_yes("Oui", ("fr",))
    assert means_yes("1", ())
    assert means_yes("Sim", ("pt-BR",))
    assert not means_yes("oui", ("de",))
    assert not means_yes("", ("xx",))


@pytest.mark.parametrize(
    ("language", "subject"),
    [("de", "(kein Thema)"), ("pt-BR", "(sem assunto)"), ("en", "(no subject)"), ("xx", "(no subject)")],
)
def test_no_subject(language: str, subject: str) -> None:
    """A mail without a subject is called as Redmine calls it in its default language."""
    assert subject == no_subject(language)


@pytest.mark.parametrize("piece", ["Priority \t", "Prioritx: x\n", "a"])
def test_hostile_text_is_linear(piece: str) -> None:
    """Text of almost-keywords twice as long takes twice as long, and a line of a megabyte is no keyword."""
    assert Keywords() == find_keywords(piece * (1_000_000 // len(piece)), ALL, ("de",), ())
    assert 2.2 >= growth(
        lambda raw: find_keywords(raw.decode(), ALL, ("de",), ()), lambda n: (piece * (n // len(piece))).encode()
    )


@pytest.mark.fault("A18-7")
@pytest.mark.parametrize(
    ("language", "line"), [("pt_BR", "Privado: sim"), ("zh_TW", "私人: 是"), ("sr_YU", "Privatno: da")]
)
def test_a_language_as_systems_name_it(language: str, line: str) -> None:
    """Where the settings name a language as systems do, its words for yes and no count as those of its fields: whoever
    asks for a private issue does not get a public one.
    """
    found = find_keywords(line, ALL, (language,), ()).values
    assert ["is_private"] == list(found)
    assert means_yes(found["is_private"], (language,))
