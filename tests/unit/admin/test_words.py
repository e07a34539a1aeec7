"""Languages: every text of the pages is in each catalogue, with the same places for values."""

import re
from pathlib import Path

import pytest

from redmine_mailbridge.admin import application, shown, words
from redmine_mailbridge.admin.desk import MENU
from redmine_mailbridge.admin.pages.tasks import FUNCTIONS
from redmine_mailbridge.tasks.receive.admin_decisions import DONE
from tests.unit.admin.site import Site

ADMIN = Path(application.__file__).parent
_IN_TEMPLATES = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_IN_CODE = re.compile(r'words\(\s*"((?:[^"\\]|\\.)*)"')
PLACE = re.compile(r"\{(\w+)\}")


def texts() -> set[str]:
    found = {
        a or b for file in ADMIN.glob("templates/*.html") for a, b in _IN_TEMPLATES.findall(file.read_text("utf-8"))
    }
    found |= {text for file in ADMIN.rglob("*.py") for text in _IN_CODE.findall(file.read_text("utf-8"))}
    found |= (
        {name for _, name, _ in MENU}
        | set(shown._WORDS.values())
        | set(shown.TONES)
        | set(DONE.values())
        | set(FUNCTIONS.values())
    )
    return found | {text for pair in application.ERRORS.values() for text in pair}


@pytest.mark.parametrize("language", words.languages()[1:])
def test_each_catalogue_is_whole(language: str) -> None:
    """No text is missing, and each translation takes the values that the English one takes."""
    catalogue = words.catalogue(language)
    assert [] == sorted(texts() - set(catalogue))
    places = {text: (set(PLACE.findall(text)), set(PLACE.findall(said))) for text, said in catalogue.items()}
    assert [] == [text for text, (ours, theirs) in places.items() if ours != theirs]


@pytest.mark.parametrize(
    ("accepted", "setting", "expected"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", None, "de"),
        ("fr,en;q=0.5", None, "en"),
        ("", None, "en"),
        ("de", "en", "en"),
        ("en", "de", "de"),
        ("../../x", None, "en"),
        ("," * 100_000, None, "en"),
    ],
)
def test_the_language_that_is_spoken(accepted: str, setting: str | None, expected: str) -> None:
    """The browser's language when there is a catalogue for it, unless the settings name one."""
    assert expected == words.best(accepted, setting)


def test_the_pages_speak_german(site: Site) -> None:
    """A German browser gets German pages, marked as such."""
    site.browser.headers["Accept-Language"] = "de-AT"
    assert '<html lang="de"' in site.browser.get("/login").text
    site.sign_in()
    assert "Übersicht" in site.browser.get("/").text


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (-5, "just now"),
        (-300, "5 min ago"),
        (-7200, "2 h ago"),
        (-200_000, "2 d ago"),
        (90, "in 1 min"),
        (4000, "in 1 h"),
    ],
)
def test_relative_times(away: int, expected: str) -> None:
    """A time is told by how far away it is, and exactly in the viewer's zone on hover."""
    now = 1_800_000_000.0
    told = str(shown.moment(now + away, words.Words("en"), shown.zone_of("Europe/Berlin"), now))
    assert f">{expected}</time>" in told
    assert "CET" in told


def test_zones() -> None:
    """A zone that a browser names is taken when there is one of that name, else UTC."""
    assert ("Asia/Kathmandu", "UTC", "UTC") == tuple(
        str(shown.zone_of(name)) for name in ("Asia/Kathmandu", "../../etc/passwd", None)
    )
