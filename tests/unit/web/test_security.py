"""Who comes in, and what is refused before any page is asked."""

import re
from pathlib import Path

import pytest
import responses
import sqlalchemy as sa
import time_machine
import tomlkit
from starlette.testclient import TestClient

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.health import SERVICE, of_mailbox
from redmine_mailbridge.store.queries.statistics import Statistics
from redmine_mailbridge.store.tables import outbox
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.request import local_path
from redmine_mailbridge.web.routes import GET, POST, make
from tests.unit.web.site import PASSWORD, REDMINE, URL, Site, values

ME = f"{REDMINE}/users/current.json"


def user(*, admin: bool) -> dict[str, object]:
    who = {"id": 7, "login": "jsmith", "firstname": "Jo", "lastname": "Smith", "admin": admin, "api_key": "key-of-jo"}
    return {"user": who}


def test_an_administrator_of_redmine_comes_in(site: Site, redmine: responses.RequestsMock) -> None:
    """A login and password that Redmine knows as an administrator's open the pages; the password is not kept."""
    redmine.get(ME, json=user(admin=True))
    answer = site.sign_in("top secret", way="", login="jsmith")

    assert (303, "/") == (answer.status_code, answer.headers["location"])
    assert "Jo Smith" in site.browser.get("/").text
    assert "Basic anNtaXRoOnRvcCBzZWNyZXQ=" == redmine.calls[0].request.headers["Authorization"]
    database = site.desk.settings.store.sqlite_file
    assert database is not None
    assert not any(b"top secret" in file.read_bytes() for file in database.parent.glob("mailbridge.db*"))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, user(admin=False), "jsmith is not an administrator"),
        (401, {}, "Redmine does not accept that"),
        (403, {}, "Redmine answers 403"),
        (500, {}, "Redmine cannot be asked"),
        (302, {}, "Redmine cannot be asked"),
    ],
)
def test_others_stay_outside(
    site: Site, redmine: responses.RequestsMock, status: int, body: dict[str, object], words: str
) -> None:
    """Who is not an administrator, or cannot be asked about, gets the reason and no session."""
    redmine.get(ME, json=body, status=status)
    answer = site.sign_in("x", way="", login="jsmith")

    assert 403 == answer.status_code
    assert words in answer.text
    assert "set-cookie" not in answer.headers
    assert "/login" == site.browser.get("/").headers["location"]


def test_the_local_password_needs_no_redmine(site: Site) -> None:
    """The local password opens the pages without a request to Redmine; another one does not."""
    assert 403 == site.sign_in("wrong horse 10").status_code
    assert 303 == site.sign_in().status_code
    assert 200 == site.browser.get("/").status_code


def test_attempts_are_limited(site: Site, redmine: responses.RequestsMock) -> None:
    """After five wrong passwords the right one is refused too, until a quarter of an hour has passed."""
    for _ in range(5):
        site.sign_in("wrong horse 10")
    answer = site.sign_in()
    assert (403, True) == (answer.status_code, "Too many attempts" in answer.text)

    later = site.desk.store.clock() + 16 * 60
    with time_machine.travel(later, tick=False):
        assert 303 == site.sign_in().status_code


def test_a_login_in_another_case_is_the_same(site: Site, redmine: responses.RequestsMock) -> None:
    """Redmine takes a login in any case, so a try counts for it in any case; from anywhere it is twenty in all."""
    redmine.get(ME, json={}, status=401)
    for login in ("jsmith", "JSMITH", "Jsmith", "jSmith", "jsMith"):
        assert "Redmine does not accept that" in site.sign_in("x", way="", login=login).text
    asked = len(redmine.calls)
    assert "Too many attempts" in site.sign_in("x", way="", login="JsMiTh").text
    for number in range(15):
        site.sign_in("x", way="", login=f"other{number}")
    assert "Too many attempts" in site.sign_in("x", way="", login="one-more").text
    assert asked + 15 == len(redmine.calls)


def test_the_cookie(site: Site) -> None:
    """The session's cookie is unreadable for scripts and not sent from other sites; the store knows only its hash."""
    cookie = site.sign_in().headers["set-cookie"]
    token = re.search("mailbridge_session=([^;]+)", cookie)

    assert token is not None
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    database = site.desk.settings.store.sqlite_file
    assert database is not None
    assert token[1].encode() not in b"".join(file.read_bytes() for file in database.parent.glob("mailbridge.db*"))


def test_sessions_end(site: Site) -> None:
    """A session ends after an idle hour, after twelve hours in any case, and by signing out."""
    site.sign_in()
    start = site.desk.store.clock()
    with time_machine.travel(start + 3500, tick=False):
        assert 200 == site.browser.get("/").status_code
    with time_machine.travel(start + 3500 + 3700, tick=False):
        assert 303 == site.browser.get("/").status_code
        site.sign_in()
    for hours in range(1, 13):
        with time_machine.travel(start + 7200 + hours * 3500, tick=False):
            last = site.browser.get("/").status_code
    assert 200 == last
    with time_machine.travel(start + 7200 + 12.1 * 3600, tick=False):
        assert 303 == site.browser.get("/").status_code

    site.sign_in()
    assert "/login" == site.browser.post("/logout").headers["location"]
    assert 303 == site.browser.get("/").status_code


def test_what_looks_by_itself_keeps_no_session_alive(site: Site) -> None:
    """Live updates of a forgotten window do not prolong its session; they are told to load the page anew."""
    site.sign_in()
    start = site.desk.store.clock()
    polling = {"HX-Request": "true"}
    for minutes in (20, 40, 59):
        with time_machine.travel(start + minutes * 60, tick=False):
            assert 200 == site.browser.get("/", headers=polling).status_code
    with time_machine.travel(start + 61 * 60, tick=False):
        answer = site.browser.get("/", headers=polling)
    assert (401, "true") == (answer.status_code, answer.headers["HX-Refresh"])


@pytest.mark.parametrize(("method", "path"), [*(("get", path) for path in GET), *(("post", path) for path in POST)])
def test_no_page_without_a_session(site: Site, method: str, path: str) -> None:
    """Every page and every change asks for a sign-in first."""
    address = re.sub(r"\{[^}]*\}", "1", path)
    answer = site.browser.request(method, address)
    assert (303, True) == (answer.status_code, answer.headers["location"].startswith("/login"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": ""},
    ],
)
def test_changes_from_elsewhere(inside: TestClient, headers: dict[str, str]) -> None:
    """A change that another site asks for, or that nobody vouches for, is refused."""
    asked = {name: value for name, value in headers.items() if value}
    if not headers["Sec-Fetch-Site"]:
        inside.headers.pop("Sec-Fetch-Site")
    assert 403 == inside.post("/logout", headers=asked).status_code
    assert 200 == inside.get("/").status_code


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1:8025"}, {}])
def test_changes_from_our_own_pages(inside: TestClient, headers: dict[str, str]) -> None:
    """A change that one of our own pages asks for is made."""
    assert 303 == inside.post("/logout", headers=headers).status_code


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8025", ""])
def test_the_host_is_checked(site: Site, host: str) -> None:
    """A name that is not ours gets no page, so that a foreign name made to point here reads nothing."""
    assert 421 == site.browser.get("/login", headers={"Host": host}).status_code


def test_the_headers(site: Site) -> None:
    """Each answer forbids scripts and styles that are not files of ours, framing, sniffing and keeping."""
    for path in ("/login", "/", "/nothing-there", "/static/app.css"):
        headers = site.browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert ("DENY", "nosniff") == (headers["X-Frame-Options"], headers["X-Content-Type-Options"])
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", [path for path in GET if "{" not in path and "download" not in path])
def test_pages_obey_their_policy(inside: TestClient, path: str) -> None:
    """No page has a script, a style or a handler in itself, asks for anything outside, or shows a secret."""
    answer = inside.get(path)
    assert answer.status_code in {200, 303, 400}
    assert [] == re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]+src=\")", answer.text)
    assert [] == re.findall(r"(?:src|href|action)=\"(?:https?:)?//(?!redmine\.example\.com)[^\"]*", answer.text)
    assert "do-not-show" not in answer.text


def test_behind_a_proxy(tmp_path: Path) -> None:
    """Under a prefix every address has it, whether the proxy takes it away or not; the cookie is for it alone."""
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(values(url="https://desk.example.com/mailbridge", proxies=["127.0.0.1"])), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file, "https://desk.example.com") as site:
        for path in ("/mailbridge/login", "/login"):
            text = site.browser.get(path).text
            assert 'action="/mailbridge/login"' in text
            assert 'href="/mailbridge/static/app.css' in text
        headers = {"Origin": "https://desk.example.com", "Host": "127.0.0.1:8025"}
        answer = site.browser.post("/login", data={"way": "password", "password": PASSWORD}, headers=headers)
        assert "/mailbridge/" == answer.headers["location"]
        assert {"Path=/mailbridge", "Secure"} <= {part.strip() for part in answer.headers["set-cookie"].split(";")}
        assert 200 == site.browser.get("/mailbridge/").status_code
        assert 'href="/mailbridge/" aria-current="page"' in site.browser.get("/mailbridge/").text


@pytest.mark.parametrize("listen", ["0.0.0.0:8025", "[::]:8025", "192.0.2.7:80", "desk.example.com:80"])
def test_no_listener_in_the_clear(tmp_path: Path, listen: str) -> None:
    """A listener that other machines reach, without TLS or a proxy, is refused with what to do."""
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(values(listen=listen)), "utf-8")
    with pytest.raises(SettingsError, match=r"certificate_file and certificate_key_file.*proxies.*127\.0\.0\.1:"):
        load(file, {})

    file.write_text(tomlkit.dumps(values(listen=listen, proxies=["192.0.2.1"])), "utf-8")
    assert listen == load(file, {}).admin.listen


def test_the_next_page_is_ours(site: Site) -> None:
    """Signing in leads on to a page of ours only, whatever the address says."""
    assert "/log" == site.sign_in(next="/log").headers["location"]
    for foreign in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"):
        assert "/" == local_path(foreign)


def test_changes_are_written_down(site: Site) -> None:
    """Signing in, failing to, and signing out stand in the record with who, when and from where."""
    site.sign_in("wrong horse 10")
    site.sign_in()
    page = site.browser.get("/changes").text
    assert [("admin", "signed in"), ("admin", "sign-in refused")] == [
        (line.who, line.action) for line in site.desk.audit.lines()
    ]
    assert "sign-in refused" in page


def test_metrics_are_for_machines_that_may(site: Site) -> None:
    """The numbers are read from this machine without signing in, and through a proxy nobody named by nobody."""
    text = site.browser.get("/metrics").text
    assert "# TYPE redmine_mailbridge_mailbox_waiting gauge\n" in text
    assert 'redmine_mailbridge_mailbox_waiting{mailbox="support"} 0\n' in text
    for line in ('mail_seconds_bucket{le="+Inf"} 0', 'up{what="service"} 0', "mail_seconds_count 0"):
        assert f"redmine_mailbridge_{line}\n" in text
    assert 403 == site.browser.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code
    elsewhere = TestClient(make(site.desk), base_url=URL, client=("192.0.2.1", 1))
    assert 403 == elsewhere.get("/metrics").status_code


def test_health(site: Site) -> None:
    """Whoever asks whether it is alive and ready is told, under any name and without signing in: that nothing runs,
    and what is wrong, without names and words of servers.
    """

    def asked(path: str) -> tuple[int, str]:
        site.desk.recent.get(list, 0.0)  # so long ago that it is not valid
        answer = site.browser.get(path, headers={"Host": "10.0.0.1"})
        return answer.status_code, answer.text

    assert ((200, "ok\n"), (503, "not ready\nwarning service-not-running\n")) == (asked("/healthz"), asked("/readyz"))
    site.desk.health.note(SERVICE, None, "running")
    assert (200, "ok\n") == asked("/readyz")
    for name in ("support", "sales"):
        site.desk.health.note(of_mailbox(name), "login refused: NO Wrong", refused=True)
    assert (200, "ok\ncritical mailbox-not-read\n") == asked("/readyz")
    with site.desk.store.database.write() as db:
        db.execute(sa.text("DROP TABLE certificate"))
    assert (503, "not ready\ncritical store-unavailable\n") == asked("/readyz")


def test_passwords() -> None:
    """A kept line fits its own password only, no two lines are the same, and a broken line fits nothing."""
    line = passwords.hashed(PASSWORD)
    assert passwords.matches(PASSWORD, line + "\n")
    assert not passwords.matches(PASSWORD + "x", line)
    assert line != passwords.hashed(PASSWORD)
    for broken in ("", "scrypt$1$2", line.replace("32768", "99999999"), line.replace("scrypt", "plain"), "x" * 300):
        assert not passwords.matches(PASSWORD, broken)


def test_the_numbers_for_machines(site: Site) -> None:
    """What works and what fails, the days of certificates and how long mails took stand among the numbers."""
    store = site.desk.store
    row = site.keep(b"Subject: x\n\nx")
    store.done(row.id, "made", issue=7, created=True)
    site.desk.health.note("mailbox:support", "no", "x")
    site.desk.certificates.note({"mail.example.com:993": store.clock() + 10.5 * 86_400})
    sent = {"mailbox": "support", "kind": "received", "sender": "a@example.com", "recipient": "b@example.net"}
    sent |= {
        "message_id": "1",
        "state": "sent",
        "created_at": 1000.0,
        "sent_at": 1003.0,
        "tries": 1,
        "next_try_at": 0.0,
    }
    with store.database.write() as db:
        db.execute(sa.insert(outbox).values(sent))
    text = site.browser.get("/metrics").text
    assert 'redmine_mailbridge_mail_seconds_bucket{le="1"} 1\n' in text
    assert 'redmine_mailbridge_sending_seconds_bucket{le="5"} 1\n' in text
    assert "redmine_mailbridge_sending_seconds_sum 3.0\n" in text
    assert 'redmine_mailbridge_up{what="mailbox:support"} 0\n' in text
    assert 'redmine_mailbridge_certificate_days{server="mail.example.com:993"} 10.' in text
    assert 'redmine_mailbridge_mails{state="done"} 1\n' in text


def test_the_histogram_is_fresh_enough(site: Site) -> None:
    """How long mails took is counted anew after half a minute, not at every question: that looks at every mail."""
    now = 0.0
    figures = Statistics(site.desk.store.database, lambda: now)
    assert 0 == figures.latencies().count
    site.desk.store.done(site.keep(b"Subject: x\n\nx").id, "made", issue=7, created=True)
    assert 0 == figures.latencies().count
    now = 31.0
    assert 1 == figures.latencies().count


@pytest.mark.fault("O10", "V9")
def test_what_is_typed_as_a_login_is_kept_nowhere(site: Site, redmine: responses.RequestsMock) -> None:
    """An API key or a password that somebody types as the login is neither in the store nor on a page; tries with it
    are counted all the same.
    """
    typed = "0123456789abcdef-my-key"
    redmine.get(ME, json={}, status=401)
    assert [403] * 6 == [site.sign_in("x", way="", login=typed).status_code for _ in range(6)]
    assert 5 == len(redmine.calls)
    site.sign_in()
    assert typed not in site.browser.get("/changes").text
    assert [] == [line for line in site.desk.audit.lines() if typed in f"{line.who} {line.detail}"]
