"""What the client makes of answers that a Redmine cannot be made to give on demand."""

import datetime as dt
import functools
import json
import logging
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from redmine_mailbridge.errors import (
    AccessDenied,
    LockLost,
    RedmineError,
    RedmineRefused,
    RedmineUnavailable,
    RedmineUnclear,
    UnknownLogin,
)
from redmine_mailbridge.redmine.client import LATE, Client, Connection, SizedBody
from tests.unit.redmine.tiny import Script, Seen, Tiny, answer, serve

KEY = "0123456789abcdef-the-key"
ME = answer(json.dumps({"user": {"id": 5, "login": "bridge", "api_key": KEY}}))


def client_of(tiny: Tiny, **more: object) -> Client:
    return Client(Connection(tiny.url, KEY, connect_timeout=2, read_timeout=0.3, **more))  # type: ignore[arg-type]


def saying(said: bytes | None) -> Script:
    """The given answer to everything but the question who we are."""
    return lambda seen: ME if seen.path == "/users/current.json" else said


def failing(client: Client, method: str) -> RedmineError:
    """What a reading ("get") or a writing request raises."""
    post = functools.partial(client.post, "/issues.json", {"issue": {"subject": "private words"}})
    ask = functools.partial(client.get, "/issues/1.json") if method == "get" else post
    with pytest.raises(RedmineError) as raised:
        ask()
    assert KEY not in str(raised.value)
    assert "private words" not in str(raised.value)
    return raised.value


HTML = "<!DOCTYPE html><html><body>Sign in</body></html>"


def page(status: str) -> bytes:
    return answer(HTML, status, Content_Type="text/html")


CASES: list[tuple[str, bytes | None, type[RedmineError], type[RedmineError], str]] = [
    ("429", answer("", "429 Too Many Requests", Retry_After="7"), RedmineUnavailable, RedmineUnavailable, "(429)"),
    ("503", answer(HTML, "503 Service Unavailable"), RedmineUnavailable, RedmineUnavailable, "(503)"),
    ("500", answer("", "500 Internal Server Error"), RedmineUnavailable, RedmineUnclear, "(500)"),
    ("502", answer(HTML, "502 Bad Gateway"), RedmineUnavailable, RedmineUnclear, "(502)"),
    ("504", answer(HTML, "504 Gateway Timeout"), RedmineUnavailable, RedmineUnclear, "(504)"),
    ("403", answer("", "403 Forbidden"), RedmineRefused, RedmineRefused, "(403)"),
    ("404", answer("", "404 Not Found"), RedmineRefused, RedmineRefused, "(404)"),
    ("404 html", page("404 Not Found"), RedmineUnavailable, RedmineUnavailable, "proxy"),
    ("403 html", page("403 Forbidden"), RedmineUnavailable, RedmineUnavailable, "proxy"),
    ("400 certificate", answer("<html><center>The SSL certificate error</center></html>", "400 Bad Request"),
     RedmineUnavailable, RedmineUnavailable, "client certificate"),
    ("409", answer("", "409 Conflict"), RedmineUnavailable, RedmineUnavailable, "(409)"),
    ("412", answer("", "412 Precondition Failed"), UnknownLogin, UnknownLogin, "(412)"),
    ("413", page("413 Too Large"), RedmineRefused, RedmineRefused, "large"),
    ("422", answer('{"errors":["Subject is bad",["a","b"]]}', "422 X"), RedmineRefused, RedmineRefused, "bad; a: b"),
    ("422 html", page("422 X"), RedmineUnavailable, RedmineUnavailable, "proxy"),
    ("200 html", page("200 OK"), RedmineUnavailable, RedmineUnclear, "not a Redmine"),
    ("200 empty", answer(" "), RedmineUnavailable, RedmineError, "empty"),
    ("200 list", answer("[]"), RedmineUnavailable, RedmineUnclear, "not an object"),
    ("200 half", answer('{"issue": {"id": 1', Content_Length="18"), RedmineUnavailable, RedmineUnclear, "truncated"),
    ("cut", answer('{"issue"', Content_Length="500", X_Close="yes"), RedmineUnavailable, RedmineUnclear, "connection"),
    ("redirect", answer("", "302 Found", Location="https://sso.example.com/login?back=secret"),
     RedmineUnavailable, RedmineUnavailable, "login page"),
    ("moved", answer("", "301 Moved", Location="https://redmine.example.com/issues.json"),
     RedmineUnavailable, RedmineUnavailable, "[redmine] url"),
    ("closed", None, RedmineUnavailable, RedmineUnclear, "connection"),
    ("silent", b"", RedmineUnavailable, RedmineUnclear, "the response timed out"),
    ("garbage", b"220 mail.example.com ESMTP\r\n", RedmineUnavailable, RedmineUnclear, "connection"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "reading", "writing", "text"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_errors(said: bytes | None, reading: type, writing: type, text: str) -> None:
    """Each answer means one error: an outage, a refusal, or, only after a writing request, an unknown result."""
    with serve(saying(said)) as tiny:
        error = failing(client_of(tiny), "get")
        assert reading is type(error)
        assert text in str(error)
        if writing is not RedmineError:
            assert writing is type(failing(client_of(tiny), "post"))


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_key_that_is_not_accepted(method: str) -> None:
    """A 401 of Redmine is an outage that a person ends: the error says which key of the settings to mend."""
    from redmine_mailbridge.errors import AccessDenied  # there is none in the first version

    with serve(saying(answer("", "401 Unauthorized"))) as tiny:
        error = failing(client_of(tiny, key_at="the file /etc/key"), method)
    assert AccessDenied is type(error)
    assert "does not accept the API key (401)" in str(error)
    assert str(error).endswith("to the file /etc/key")
    assert KEY not in str(error)


def test_empty_success_of_a_write() -> None:
    """A writing request may be answered with 204 and nothing."""
    with serve(saying(answer("", "204 No Content"))) as tiny:
        assert {} == client_of(tiny).put("/issues/1.json", {"issue": {"notes": "x"}})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("-3", None), ("soon", None), ("nan", None),
     ("99999999", 3600.0), ("inf", 3600.0)],
)  # fmt: skip
def test_retry_after(value: str, expected: float | None) -> None:
    """Retry-After is read as seconds or as a date by the server's own clock; nonsense is no pause."""
    said = answer("", "503 X", Retry_After=value, Date="Wed, 21 Oct 2026 07:28:00 GMT")
    with serve(saying(said)) as tiny:
        error = failing(client_of(tiny), "post")
    assert isinstance(error, RedmineUnavailable)
    assert (expected, True) == (error.retry_after, error.overloaded)


def test_pause_is_kept() -> None:
    """After a Retry-After the next request is not sent at all before its time."""
    now = [0.0]
    with serve(saying(answer("", "429 X", Retry_After="60"))) as tiny:
        client = Client(Connection(tiny.url, KEY), clock=lambda: now[0])
        failing(client, "get")
        failing(client, "post")
        assert 1 == len(tiny.seen)
        now[0] = 61.0
        failing(client, "get")
        assert 2 == len(tiny.seen)


@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_was_sent(method: str) -> None:
    """A connection that never came about changed nothing, even for a writing request: refused, no such host, no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with serve(saying(answer("{}"))) as tiny:
        for url in (f"http://127.0.0.1:{port}", "http://redmine.invalid", tiny.url.replace("http", "https")):
            assert RedmineUnavailable is type(failing(Client(Connection(url, KEY, connect_timeout=2)), method))


def test_refusal_needs_a_redmine() -> None:
    """A 404 for one issue is believed only while Redmine knows the key: else it is an outage."""
    with serve(lambda _: answer("", "403 Forbidden")) as tiny:
        assert isinstance(failing(client_of(tiny), "post"), RedmineUnavailable)
    with serve(lambda _: answer("", "404 Not Found")) as tiny:
        assert RedmineUnavailable is type(failing(client_of(tiny), "get"))


def test_proof_is_kept_for_a_while() -> None:
    """That Redmine knows the key is asked once in a while, not with every refusal."""
    with serve(saying(answer("", "404 Not Found"))) as tiny:
        client = client_of(tiny)
        for _ in range(5):
            failing(client, "get")
    assert 1 == sum(seen.path == "/users/current.json" for seen in tiny.seen)


def test_whoami_hides_the_key() -> None:
    """Redmine shows the key of whoever asks; it goes no further."""
    with serve(saying(None)) as tiny:
        assert {"id": 5, "login": "bridge"} == client_of(tiny).whoami()


def test_connection_hides_the_key() -> None:
    """The key is in no printed connection."""
    assert KEY not in repr(Connection("http://redmine.example.com", KEY))


def test_no_secret_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level no library logs the key."""
    caplog.set_level(logging.DEBUG)
    with serve(saying(answer('{"issue":{"id":1}}'))) as tiny:
        client_of(tiny).get("/issues/1.json")
    assert KEY not in caplog.text


def test_identity_and_headers() -> None:
    """Each request carries the key, the login to act as if any, our name, and no cookie that an answer set."""
    with serve(saying(answer('{"issue":{"id":1}}', Set_Cookie="_redmine_session=abc; path=/"))) as tiny:
        client = client_of(tiny)
        client.get("/issues/1.json", as_login="anna")
        client.get("/issues/1.json")
        client.get("/issues/1.json", as_login="bob")
    assert ["anna", None, "bob"] == [seen.headers.get("x-redmine-switch-user") for seen in tiny.seen]
    assert {KEY} == {seen.headers["x-redmine-api-key"] for seen in tiny.seen}
    assert [None] * 3 == [seen.headers.get("cookie") for seen in tiny.seen]
    assert all(seen.headers["user-agent"].startswith("redmine-mailbridge/") for seen in tiny.seen)
    assert 1 == tiny.connections


def test_never_the_wrong_user() -> None:
    """Eight threads with 200 requests each, every one as another user: each is answered as the user that it named."""

    def echo(seen: Seen) -> bytes:
        return answer(json.dumps({"as": seen.headers.get("x-redmine-switch-user"), "asked": seen.path}))

    wrong: list[object] = []

    def work(client: Client, number: int) -> None:
        for turn in range(200):
            login = f"user{(number + turn) % 50}" if turn % 7 else None
            found = client.get(f"/{number}/{turn}.json", as_login=login)
            if found != {"as": login, "asked": f"/{number}/{turn}.json"}:
                wrong.append((login, found))

    with serve(echo) as tiny:
        client = Client(Connection(tiny.url, KEY, max_parallel=4))
        threads = [threading.Thread(target=work, args=(client, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert ([], 1600) == (wrong, len(tiny.seen))
        assert tiny.connections <= 4


@pytest.mark.parametrize("login", ["a\r\nX-Evil: 1", "", "ä", "two words", "x" * 300])
def test_bad_login(login: str) -> None:
    """A login that no header may carry is refused before anything is sent."""
    with serve(saying(answer("{}"))) as tiny:
        with pytest.raises(UnknownLogin):
            client_of(tiny).get("/issues/1.json", as_login=login)
        assert [] == tiny.seen


def test_unknown_login_is_told() -> None:
    """Whoever asked to be told hears of a login that Redmine no longer acts as."""
    told: list[str] = []
    with serve(saying(answer("", "412 Precondition Failed"))) as tiny:
        client = client_of(tiny)
        client.on_unknown_login(told.append)
        with pytest.raises(UnknownLogin):
            client.get("/issues/1.json", as_login="dave")
    assert ["dave"] == told


def test_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and certificates of the environment are not used."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with serve(saying(answer('{"issue":{"id":1}}'))) as tiny:
        assert {"issue": {"id": 1}} == client_of(tiny).get("/issues/1.json")


def test_proxy_of_the_settings() -> None:
    """A proxy that the settings name is used, and what breaks behind it is unknown for a writing request."""
    with serve(saying(None)) as proxy:
        client = Client(Connection("http://redmine.example.com", KEY, proxy=proxy.url, read_timeout=1))
        assert RedmineUnclear is type(failing(client, "post"))
    assert ["http://redmine.example.com/issues.json"] == [seen.target for seen in proxy.seen]


def test_upload_is_sent_in_pieces_under_its_length() -> None:
    """A file is sent under a known length, not in HTTP chunks, its name whole in the address."""
    with serve(saying(answer('{"upload":{"token":"1.a"}}', "201 Created"))) as tiny:
        body = SizedBody(lambda: iter([b"abc", b"de"]), 5)
        client_of(tiny).upload([("filename", "Größe & #1.txt")], body)
    seen = tiny.seen[0]
    assert (b"abcde", "5", None) == (
        seen.body, seen.headers["content-length"], seen.headers.get("transfer-encoding")
    )  # fmt: skip
    assert "/uploads.json?filename=Gr%C3%B6%C3%9Fe+%26+%231.txt" == seen.target
    assert "application/octet-stream" == seen.headers["content-type"]


def pages(total: int) -> Script:
    def script(seen: Seen) -> bytes:
        query = dict(part.split("=") for part in seen.target.partition("?")[2].split("&"))
        start = int(query["offset"])
        rows = [{"id": i} for i in range(start, min(total, start + int(query["limit"])))]
        return answer(json.dumps({"issues": rows, "total_count": total}))

    return script


@pytest.mark.parametrize(("total", "requests"), [(0, 1), (100, 1), (101, 2), (250, 3)])
def test_pages(total: int, requests: int) -> None:
    """A list is read over all its pages of 100, and counted."""
    with serve(pages(total)) as tiny:
        client = client_of(tiny)
        assert list(range(total)) == [row["id"] for row in client.pages("/issues.json", "issues")]
        assert requests == client.requests == len(tiny.seen)


def test_page_without_its_list() -> None:
    """A list that is not in its answer is an outage, not an empty list."""
    with serve(saying(answer("{}"))) as tiny, pytest.raises(RedmineUnavailable):
        list(client_of(tiny).pages("/issues.json", "issues"))


@pytest.fixture
def ahead() -> Iterator[Tiny]:
    date = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with serve(saying(answer("{}", Date=date))) as tiny:
        yield tiny


@pytest.mark.fault("I5")
def test_clock_offset(ahead: Tiny) -> None:
    """An answer's Date, a proxy's perhaps, tells nothing of Redmine's clock; a time that Redmine wrote does."""
    client = client_of(ahead)
    client.put("/issues/1.json", {})
    assert client.clock_offset is None
    client.note_time(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    assert client.clock_offset is not None
    assert 3595 < client.clock_offset.total_seconds() < 3605


def test_whoever_listens_hears_how_redmine_is() -> None:
    """After each request it is told whether Redmine did it or was away, in its words; a refusal says neither."""
    heard: list[str | None] = []
    answers = [
        answer('{"a":1}'),
        answer("", "503 Service Unavailable"),
        answer('{"errors":["x"]}', "422 Unprocessable Entity"),
        answer("", "401 Unauthorized"),
        answer('{"a":1}'),
    ]
    with serve(lambda _: answers.pop(0)) as tiny:
        client = Client(Connection(tiny.url, "key"))
        client.on_heard(heard.append)
        client.get("/a.json")
        with pytest.raises(RedmineUnavailable):
            client.post("/a.json", {})
        with pytest.raises(RedmineRefused):
            client.post("/a.json", {})
        assert [None, True] == [words if words is None else "(503)" in words for words in heard]
        assert not client.denied
        with pytest.raises(AccessDenied):
            client.get("/a.json")
        assert client.denied
        client.get("/a.json")
        assert not client.denied


@pytest.mark.fault("A22-1")
def test_a_write_that_waited_is_checked_before_it_is_sent() -> None:
    """While all connections wait for a Redmine that is slow, another process may take over the store and send what
    waits here: such a write is sent only if nothing speaks against it then.
    """
    entered, leave = threading.Event(), threading.Event()

    def slow(seen: Seen) -> bytes:
        if seen.path == "/slow.json":
            entered.set()
            leave.wait(10)
        return answer("{}")

    def refuse() -> None:
        raise LockLost("it is held by another process")

    with serve(slow) as tiny:
        client = Client(Connection(tiny.url, KEY, max_parallel=1))
        client.before_late_write(refuse)
        first = threading.Thread(target=client.get, args=("/slow.json",))
        first.start()
        assert entered.wait(10)
        threading.Timer(LATE + 0.2, leave.set).start()
        with pytest.raises(LockLost):
            client.post("/issues.json", {"issue": {}})
        first.join()
        client.post("/issues.json", {"issue": {"subject": "at once"}})
        assert ["/slow.json", "/issues.json"] == [seen.path for seen in tiny.seen]


def test_the_address_of_a_request_is_put_together_once() -> None:
    """All new issues go to one address, which is put together for the first of them; parameters arrive as they are
    given, repeated ones and those with characters that an address cannot contain included.
    """
    from redmine_mailbridge.redmine.transport import _with_params

    params = [
        ("f[]", "status_id"),
        ("f[]", "updated_on"),
        ("v[updated_on][]", "2026-01-02T03:04Z&ü"),
        ("limit", 100),
    ]
    with serve(lambda _seen: answer("{}")) as tiny:
        client = client_of(tiny)
        _with_params.cache_clear()
        for _ in range(20):
            client.post("/issues.json", {"issue": {}}, [("include", "attachments")])
        client.get("/issues.json", params)
        client.get("/issues.json")
    assert (3, 19) == (_with_params.cache_info().misses, _with_params.cache_info().hits)
    assert [(name, str(value)) for name, value in params] == parse_qsl(urlsplit(tiny.seen[-2].target).query)
    assert "/issues.json" == tiny.seen[-1].target
    assert "Cookie" not in tiny.seen[-1].headers
