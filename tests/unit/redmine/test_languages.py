"""The language of a user, by what Redmine says is wrong; and the issue of a note, by its number and its second."""

import json

import pytest

from redmine_mailbridge.model.plan import User
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.languages import language_of
from redmine_mailbridge.redmine.note_lookup import MOST_ISSUES, Notes
from redmine_mailbridge.redmine.users import People
from tests.unit.redmine.tiny import Seen, answer, serve


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("First name cannot be blank", "en"),
        ("Vorname muss ausgefüllt werden", "de"),
        ("Nome não pode ficar vazio", "pt-br"),
        ("Nome não pode estar em branco", "pt"),
        ("名を入力してください", "ja"),
        ("名字 不能是空白字元", "zh-tw"),
        ("Fornavn kan ikke være blank", "no"),
        ("Prénom ne peut pas être vide", "fr"),
        ("Fornavn mangler", ""),
        ("Ime ne može biti prazno", "sr-yu"),
        ("Ime ne može biti razmaka", "hr"),
        ("Ime fehlt", ""),
    ],
)
def test_language(message: str, language: str) -> None:
    """The language is told by the field's name and the rest; by the name alone where only one language has it."""
    assert language == language_of([message])


def test_a_users_language_is_asked_as_the_user_and_once() -> None:
    """One request a day in the user's name tells the language, and it is one that Redmine must refuse."""
    asked: list[Seen] = []

    def script(seen: Seen) -> bytes:
        if seen.method == "GET":
            return answer(json.dumps({"user": {"id": 1, "login": "admin", "admin": True, "status": 1}}))
        asked.append(seen)
        return answer(json.dumps({"errors": ["Prénom doit être renseigné(e)"]}), "422 Unprocessable Entity")

    with serve(script) as tiny:
        client = Client(Connection(tiny.url, "key"))
        people = People(client)
        anna = User(2, "anna", "Anna")
        assert ["fr", "fr"] == [people.language(anna), people.language(anna)]
        client.close()
    assert [("PUT", "anna", {"user": {"firstname": ""}})] == [
        (one.method, one.headers["x-redmine-switch-user"], json.loads(one.body)) for one in asked
    ]


def test_the_issue_of_a_note() -> None:
    """A note's issue is found among those changed since its second, the one changed longest ago first."""
    targets: list[str] = []

    def script(seen: Seen) -> bytes:
        targets.append(seen.target)
        if seen.path == "/issues.json":
            return answer(json.dumps({"issues": [{"id": 5}, {"id": 3}, {"id": 4}]}))
        number = int(seen.path.removeprefix("/issues/").removesuffix(".json"))
        return answer(json.dumps({"issue": {"id": number, "journals": [{"id": number * 10}]}}))

    with serve(script) as tiny:
        client = Client(Connection(tiny.url, "key"))
        notes = Notes(client, lambda: 0.0)
        assert 3 == notes.issue_of(30, "20260719210421")
        assert 3 == notes.issue_of(30, "20260719210421")
        assert notes.issue_of(30, "99999999999999") is None
        client.close()
    assert f"limit={MOST_ISSUES}" in targets[0]
    assert "2026-07-19T21%3A04%3A21Z" in targets[0]
    assert 3 == len(targets)
