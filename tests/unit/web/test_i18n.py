"""Languages: every text of the pages is in each catalogue, with the same places for values."""

import re
from pathlib import Path

import pytest

from redmine_mailbridge.tasks.receive.admin_decisions import DONE
from redmine_mailbridge.web import formatting, i18n, routes
from redmine_mailbridge.web.context import MENU
from redmine_mailbridge.web.mail_kinds import MAIL_KINDS
from redmine_mailbridge.web.pages.tasks import FUNCTIONS
from tests.unit.web.site import Site

ADMIN = Path(routes.__file__).parent
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
        | set(formatting._WORDS.values())
        | set(formatting.TONES)
        | set(DONE.values())
        | set(FUNCTIONS.values())
        | set(MAIL_KINDS.values())
    )
    return found | {text for pair in routes.ERRORS.values() for text in pair}


@pytest.mark.parametrize(("language", "to"), [("en", "to"), ("de", "an")])
def test_a_kind_of_mail_reads_well_before_its_recipient(language: str, to: str) -> None:
    """The history says KIND to RECIPIENT, so no kind says whom it is to itself."""
    catalogue = {} if language == "en" else i18n.catalogue(language)
    names = [catalogue.get(name, name) for name in MAIL_KINDS.values()]
    assert [] == [name for name in names if to in name.split()]


@pytest.mark.parametrize("language", i18n.languages()[1:])
def test_each_catalogue_is_whole(language: str) -> None:
    """No text is missing, and each translation takes the values that the English one takes."""
    catalogue = i18n.catalogue(language)
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
    assert expected == i18n.best(accepted, setting)


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
    told = str(formatting.moment(now + away, i18n.Translations("en"), formatting.zone_of("Europe/Berlin"), now))
    assert f">{expected}</time>" in told
    assert "CET" in told


@pytest.mark.fault("N12")
@pytest.mark.parametrize(
    ("text", "english", "german"),
    [("72.86", "72.86", "72,86"), ("2.6 d", "2.6 d", "2,6 Tage"), ("45 min", "45 min", "45 Min."), ("", "", "")],
)
def test_numbers(text: str, english: str, german: str) -> None:
    """A number of a report is written as its reader writes numbers."""
    assert (english, german) == tuple(formatting.number(text, i18n.Translations(one)) for one in ("en", "de"))


@pytest.mark.fault("N12")
def test_the_pages_are_reached_without_scrolling_a_row(site: Site) -> None:
    """On a narrow screen all pages stand behind one button, which opens without JavaScript; no row of tabs scrolls."""
    site.sign_in()
    page = site.browser.get("/").text
    behind_a_button = page[page.index('<details class="menu">') :].partition("</details>")[0]
    assert [] == [address for address, _, _ in MENU if f'href="{address}"' not in behind_a_button]
    style = site.browser.get("/static/app.css").text
    assert "overflow-x" not in style[style.index("/* the frame") : style.index("/* cards")]


def test_zones() -> None:
    """A zone that a browser names is taken when there is one of that name, else UTC."""
    assert ("Asia/Kathmandu", "UTC", "UTC") == tuple(
        str(formatting.zone_of(name)) for name in ("Asia/Kathmandu", "../../etc/passwd", None)
    )
