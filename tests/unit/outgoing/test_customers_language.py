"""In which language customers are written to: their mail's, where there are templates in it; else the mailbox's."""

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.checks.outgoing import outgoing_checks
from redmine_mailbridge.settings.models import Settings
from tests.helpdesk import ANNA, BOB, HelpDesk, writes

KIM = "kim@client.example"
GERMAN = "Guten Tag, unser Drucker druckt seit heute nicht mehr. Können Sie uns bitte helfen? Vielen Dank!"
ENGLISH = "Our printer is not working, could you please help us?"
FRENCH = "Bonjour, notre imprimante ne marche plus depuis ce matin. Pouvez-vous nous aider ? Merci, cordialement"


def taken(desk: HelpDesk) -> list[str]:
    """The texts of the mails that went out since this was asked last."""
    mails = [email.message_from_bytes(raw, policy=email.policy.default) for _, raw in desk.post.taken]
    desk.post.taken.clear()
    return [str(one.get_body(("plain",)).get_content()) for one in mails]  # type: ignore[union-attr]  # each has one


def answered(desk: HelpDesk, raw: bytes) -> str:
    """What a mail is answered."""
    desk.mail(raw)
    desk.turn()
    (text,) = taken(desk)
    return text


@pytest.mark.fault("N7")
def test_an_acknowledgement_in_the_language_of_the_mail(desk: HelpDesk) -> None:
    """Who writes German is thanked in German by a mailbox that speaks English, and the other way round; whose language
    has no templates, or cannot be told, in that of the mailbox.
    """
    for own, expected in (("en", "Hello"), ("de", "Guten Tag")):
        desk.change({"outgoing": {"language": own}})
        assert "Guten Tag" in answered(desk, writes(KIM, "Drucker", GERMAN))
        assert "Hello" in answered(
            desk, writes(KIM, "Printer", "Our printer is not working, could you please help us?")
        )
        assert expected in answered(desk, writes(KIM, "Imprimante", FRENCH))
        assert expected in answered(desk, writes(KIM, "HP 4000", "0x80070005"))


@pytest.mark.fault("N7")
def test_content_language_tells_the_customers_language(desk: HelpDesk) -> None:
    """Where the text says too little, the language that the mail names counts, its region aside."""
    assert "Guten Tag" in answered(desk, writes(KIM, "HP 4000", "0x80070005", Content_Language="de-AT"))


@pytest.mark.fault("N7")
def test_an_agents_answer_in_the_customers_language(desk: HelpDesk) -> None:
    """What stands around an agent's answer is in the language of the conversation, which a short last reply, or mails
    whose bytes are forgotten, do not change.
    """
    assert "Guten Tag" in answered(desk, writes(KIM, "Drucker", GERMAN))
    desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    desk.redmine.writes(1, BOB, "Ist er an?")
    desk.turn()
    (text,) = taken(desk)
    assert "schrieb" in text
    for path in Path(desk.folder).rglob("*"):
        if path.is_file() and path.suffix not in (".db", ".toml"):
            path.unlink()
    desk.redmine.writes(1, BOB, "Und jetzt?", status=5)
    desk.turn()
    (text,) = taken(desk)
    assert "abgeschlossen" in text


@pytest.mark.fault("N7")
def test_the_languages_can_be_limited(desk: HelpDesk) -> None:
    """A team that answers in one language only says so."""
    desk.change({"outgoing": {"languages": ["en"]}})
    assert "Hello" in answered(desk, writes(KIM, "Drucker", GERMAN))


@pytest.mark.fault("N7")
def test_own_templates_in_another_language(desk: HelpDesk, tmp_path: Path) -> None:
    """A language that there are templates of the team's own in is spoken to those who write it."""
    folder = tmp_path / "own" / "received" / "fr"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Bien reçu", "utf-8")
    (folder / "body.txt").write_text("Bonjour, c'est le numéro {{ issue.id }}.", "utf-8")
    desk.change({"outgoing": {"templates": str(tmp_path / "own")}})
    assert "c'est le numéro 1." in answered(desk, writes(KIM, "Imprimante", FRENCH))
    assert "Hello" in answered(desk, writes(KIM, "Printer", ENGLISH))


@pytest.mark.parametrize(("outgoing", "problem"), [
    ({"language": "fr"}, 'no templates exist in the language "fr" (de, en)'),
    ({"languages": ["de", "eng"]}, 'no templates exist in the language "eng", did you mean "en"? (de, en)'),
])  # fmt: skip
def test_check_names_a_language_without_templates(desk: HelpDesk, outgoing: dict[str, Any], problem: str) -> None:
    """A language of the settings that no template is in is an error of `check`, not English in silence."""
    desk.change({"outgoing": outgoing})
    settings = Settings.model_validate(desk.values)
    found = list(outgoing_checks("desk", settings, settings.mailboxes["desk"]))
    assert [(False, problem)] == [(one.ok, one.words) for one in found if one.name.endswith("templates")]


@pytest.mark.fault("A19-5")
@pytest.mark.parametrize("tag", ["DE", "De-de", "de-DE"])
def test_a_tag_in_any_case(desk: HelpDesk, tag: str) -> None:
    """Language tags know no case: DE is de (RFC 5646 section 2.1.1)."""
    assert "Guten Tag" in answered(desk, writes(KIM, "HP 4000", "0x80070005", Content_Language=tag))


@pytest.mark.fault("A19-5")
@pytest.mark.parametrize("kind", ["received", "frame"])
def test_ones_own_template_in_one_language_leaves_the_others(desk: HelpDesk, tmp_path: Path, kind: str) -> None:
    """Who has an English template of one's own still writes to German customers in German, whole mails."""
    from redmine_mailbridge.outgoing.templates import BUILT_IN

    own = tmp_path / "templates" / kind / "en"
    own.mkdir(parents=True)
    for file in (BUILT_IN / kind / "en").iterdir():
        (own / file.name).write_text(file.read_text("utf-8"), "utf-8")
    desk.change({"outgoing": {"templates": str(tmp_path / "templates")}})
    said = answered(desk, writes(KIM, "Drucker", GERMAN))
    assert said.startswith("Guten Tag")
    assert "Bitte lassen Sie diese Zeile" in said
    assert "Please leave this line" in answered(desk, writes(KIM, "Printer", ENGLISH))
