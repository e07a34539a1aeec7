"""What was recorded in English, on pages in the viewer's language."""

import ast
import re
import time
import tomllib
from pathlib import Path

import pytest

import redmine_mailbridge
from redmine_mailbridge.web import i18n
from tests.product import mail
from tests.unit.web.site import Site

PLACE = re.compile(r"\{(\w+)\}")
pytestmark = pytest.mark.fault("N12")


@pytest.mark.parametrize(
    ("line", "german"),
    [
        (
            "create: a new mail; project support from the mailbox",
            "neues Ticket: eine neue Mail; Projekt support (laut Postfach)",
        ),
        (
            "new issue in support as bob: a new mail; project support from the mailbox",
            "neues Ticket in support als bob: eine neue Mail; Projekt support (laut Postfach)",
        ),
        ("new issue in support: a new mail; x", "neues Ticket in support: eine neue Mail; x"),
        (
            "note on #4: it belongs to #4, identified by the Message-ID of an earlier mail",
            "Kommentar in #4: sie gehört zu #4 (Message-ID einer früheren Mail)",
        ),
        (
            'fields: tracker "Bug" from a keyword line, custom field Order "4711" from the mailbox',
            "Felder: Tracker „Bug“ (laut Stichwortzeile), benutzerdefiniertes Feld Order „4711“ (laut Postfach)",
        ),
        (
            "#7 by the Message-ID of an earlier mail: anna may see it but not add notes",
            "#7 (Message-ID einer früheren Mail): anna darf es sehen, aber keine Kommentare hinzufügen",
        ),
        (
            "hold: the sender is unknown, and unknown_sender is hold",
            "zurückgehalten: der Absender ist unbekannt, und unknown_sender ist hold",
        ),
        ("queued: received to kim@client.example", "Eingangsbestätigung an kim@client.example: eingereiht"),
        ("sent: answer to a@b.example: 250 OK {x}", "Antwort eines Bearbeiters an a@b.example: gesendet (250 OK {x})"),
        ("filed: Processed", "abgelegt: Processed"),
        pytest.param("accepted by an admin", "angenommen von einem Administrator", marks=pytest.mark.fault("A19-1")),
        pytest.param(
            "retried by an admin: received to kim@client.example",
            "Eingangsbestätigung an kim@client.example: von einem Administrator erneut eingereiht",
            marks=pytest.mark.fault("A19-1"),
        ),
        ("550 5.1.1 no such user", "550 5.1.1 no such user"),
        ("the mailbox" * 200, "the mailbox" * 200),
    ],
)
def test_recorded_lines_in_german(line: str, german: str) -> None:
    """A line is translated, and the lines within it; a server's own words stay as they are."""
    assert german == i18n.Translations("de").recorded(line)


def test_the_history_of_a_mail_is_german_on_a_german_page(site: Site) -> None:
    """The steps of a mail, and its reason, are in the viewer's language."""
    row = site.keep(mail("Printer"), subject="Printer", sender="kim@client.example")
    lines = ["project support from the mailbox", "create: a new mail; project support from the mailbox"]
    site.desk.store.done(row.id, "the sender is blocked by *", lines=lines)
    site.sign_in()
    page = site.browser.get(f"/messages/{row.id}", headers={"Accept-Language": "de"}).text
    for words in (
        "Projekt support (laut Postfach)",
        "neues Ticket: eine neue Mail",
        "der Absender ist durch * gesperrt",
    ):
        assert words in page


@pytest.mark.parametrize("file", sorted((i18n.FOLDER / "recorded").glob("*.toml")), ids=lambda file: file.stem)
def test_each_line_keeps_its_places(file: i18n.Path) -> None:
    """A translation has the places of the English line, each once."""
    lines = tomllib.loads(file.read_text("utf-8"))
    assert [] == [line for line, said in lines.items() if sorted(PLACE.findall(line)) != sorted(PLACE.findall(said))]


ROOT = Path(redmine_mailbridge.__file__).parent
PARTS = re.compile(r'\{\w+\}|[:;,] |[()"]')


COMPOSED = {"passed by", "failed by", "fixed version", "done ratio", "fetched on a later try from"}
"""Of pieces that no text has whole."""


def written() -> str:
    """The texts of the package but for docstrings, the places of their values as NUL."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree) if "web" not in file.parts else ():
            if isinstance(node, ast.JoinedStr):
                found.append("".join(one.value if isinstance(one, ast.Constant) else "\0" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                found.append(node.value)
    return "\1".join(found)


def stands_in(text: str, part: str) -> bool:
    """Is this part of a line written somewhere, as a whole or with another text in a place of it?"""
    words = part.split(" ")
    for begin in range(len(words) + 1):
        for end in range(begin, len(words) + 1):
            inner, around = words[begin:end], [*words[:begin], *(["\0"] if end > begin else []), *words[end:]]
            if len(inner) < len(words) and " ".join(inner) in text and " ".join(around) in text:
                return True
    return False


@pytest.mark.fault("A19-1")
@pytest.mark.parametrize("file", sorted((i18n.FOLDER / "recorded").glob("*.toml")), ids=lambda file: file.stem)
def test_each_line_is_one_that_is_recorded(file: i18n.Path) -> None:
    """The catalogue has the lines as they are recorded now: one whose words have changed would stay English."""
    text = written()
    parts = {line: [part.strip() for part in PARTS.split(line)] for line in tomllib.loads(file.read_text("utf-8"))}
    gone = {line: [one for one in them if len(one) > 2 and not stands_in(text, one)] for line, them in parts.items()}
    assert {} == {line: them for line, them in gone.items() if set(them) - COMPOSED}


@pytest.mark.fault("A19-10")
@pytest.mark.parametrize("seed", ['"" from ', ", named by ", " (", 'fields: x "y" from ', " to ", "hold: "])
def test_no_line_takes_long(seed: str) -> None:
    """Strangers' words stand in recorded lines: none of the catalogue's patterns takes longer than linear time."""
    words = i18n.Translations("de")
    words.recorded("warm")
    began = time.process_time()
    words.recorded((seed * 1000)[:1000])
    assert time.process_time() - began < 0.5
