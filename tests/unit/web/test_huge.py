"""Numbers, days and spans of any size in an address or a form: a page that says so, never a fault of ours."""

import re

import pytest

from redmine_mailbridge.web.routes import GET, POST
from tests.product import mail
from tests.unit.web.site import Site

NUMBERS = ("9" * 15, "9" * 19, "9" * 5000, "-1", "0", "1e999", "٣", "²", "0x10", " 1 ", "\x00", "nan", "")
DAYS = ("0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "2026-02-30", "9999-W53-7", "20260230")
MOMENTS = ("0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31T23:59+23:59", "0001-01-01T00:00-23:59", "1e9")
SPANS = ("9" * 400 + "d", "99999999999w", "1e999h", "nan", "-5m", "0s", "99999999999999999999s")
LISTS = ("messages", "not-imported", "not-imported.csv")
REPORTS = ("reports", "reports/report.csv", "reports/report.html")
ZONES = ("Pacific/Kiritimati", "Pacific/Niue")


@pytest.fixture
def inside(site: Site) -> Site:
    """One mail, and somebody signed in whose server errors are answers."""
    site.keep(mail("x", files={"a.txt": b"x"}), subject="x")
    site.sign_in()
    site.browser._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    return site


@pytest.mark.fault("L10")
def test_in_the_path(inside: Site) -> None:
    """A number of any length in a path leads nowhere."""
    for path in (path for path in GET if "{" in path):
        for value in (value for value in NUMBERS if value.strip() and value.isprintable()):
            asked = re.sub(r"\{[^}]*\}", value, path)
            assert inside.browser.get(asked).status_code in {200, 303, 404}, asked[:80]


@pytest.mark.fault("L10")
@pytest.mark.parametrize("zone", ZONES)
def test_in_the_query(inside: Site, zone: str) -> None:
    """A number or a day of any size in an address finds nothing, in whatever zone."""
    inside.browser.cookies.set("mailbridge_zone", zone)
    asked = [
        *(f"/messages?{name}={value}" for name in ("issue", "before") for value in NUMBERS),
        *(f"/{page}?{name}={day}" for page in LISTS for name in ("since", "until") for day in DAYS),
        *(f"/{page}?{name}={day}" for page in REPORTS for name in ("first", "last") for day in DAYS),
        *(f"/changes?before={value}" for value in NUMBERS),
        *(f"/log/new?after={value}" for value in NUMBERS),
    ]
    for address in asked:
        assert 200 == inside.browser.get(address.replace("\x00", "%00")).status_code, address[:80]


@pytest.mark.fault("L10")
def test_in_a_form(inside: Site) -> None:
    """A number, a time or a span of any size in a form changes nothing, or is refused with a line."""
    inside.browser.cookies.set("mailbridge_zone", ZONES[0])
    forms = [
        *(("/messages/decide", {"id": "1", "decision": "file", "issue": value}) for value in NUMBERS),
        *(("/messages/decide", {"id": value, "decision": "retry"}) for value in NUMBERS),
        *(("/tasks/receive", {"next_run": moment}) for moment in MOMENTS),
        *(("/tasks/receive", {"every": span}) for span in SPANS),
        *(("/tasks/receive", {"cron": f"{value} * * * *"}) for value in NUMBERS),
        *(("/tasks/receive", {"cron": f"*/{value} * * * *"}) for value in NUMBERS),
        *(("/tasks/receive", {"cron": f"0 0 * * */{value}"}) for value in NUMBERS),
    ]
    for path, form in forms:
        status = inside.browser.post(path, data=form).status_code
        assert status in {200, 303, 400}, (path, {name: value[:40] for name, value in form.items()})
    for page in ("/tasks", "/"):
        assert 200 == inside.browser.get(page).status_code


def test_forms_of_nothing(inside: Site) -> None:
    """A form without its fields, or with the same ones many times, is answered."""
    for path in sorted(POST):
        for data in ({}, {"id": ["1"] * 1500, "decision": "retry"}):
            answer = inside.browser.post(path.replace("{name}", "support"), data=data)
            assert answer.status_code in {200, 303, 400}
            if path == "/logout":
                inside.sign_in()
