"""Signing in at a real OpenID provider: every flow, renewal, refusal, outage, and what is kept of it."""

import dataclasses
import json
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from joserfc import jwk

from redmine_mailbridge.errors import LoginRefused, ProviderAway, SettingsError, SignInNeeded
from redmine_mailbridge.oauth import token_manager as keeping
from redmine_mailbridge.oauth.encryption import Encryption
from redmine_mailbridge.oauth.loopback import Loopback
from redmine_mailbridge.oauth.model import Endpoints, Grant, Provider, SignInConnection
from redmine_mailbridge.oauth.sign_in_service import SignIns
from redmine_mailbridge.oauth.terminal_login import by_browser, by_device, by_paste
from redmine_mailbridge.store.database import Database
from tests.servers.openid import OpenId
from tests.servers.processes import wait_until

pytestmark = pytest.mark.real
DESK = "desk@example.com"


class Clock:
    """Real time, and as much more of it as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'bridge.db'}")
    made.migrate()
    yield made
    made.close()


def person(openid: OpenId, **changes: object) -> Provider:
    values: dict[str, object] = {"name": "local", "title": "Local", "client_id": "bridge", "issuer": openid.issuer}
    values |= {"scopes": ("openid", "email", "offline_access", "mail"), "asked": (("prompt", "consent"),)}
    return Provider(**(values | changes))  # type: ignore[arg-type]


def signs_of(
    provider: Provider, database: Database, tmp_path: Path, clock: Clock | None = None, *, account: str = DESK
) -> SignIns:
    connection = SignInConnection("desk", account, provider)
    return SignIns({"desk": connection}, database, Encryption(tmp_path / "token.key"), clock or time.time)


@pytest.fixture
def signs(openid: OpenId, database: Database, tmp_path: Path, clock: Clock) -> SignIns:
    return signs_of(person(openid), database, tmp_path, clock)


def sign_in(signs: SignIns, openid: OpenId, name: str = "desk") -> None:
    flow = signs.begin_code_flow(name, "http://127.0.0.1:1/")
    signs.finish_code_flow(openid.sign_in(flow.url), state=flow.state)


def whose(openid: OpenId, token: str) -> str:
    """Whom the provider takes a token for; "" when it is not good."""
    answer = requests.post(openid.introspection, data={"token": token}, timeout=10).json()
    return str(answer["sub"]) if answer["active"] else ""


def address(said: list[str]) -> str:
    """The address that a person is told to open."""
    found = re.search(r"http://\S{1,200}/auth\?\S{1,2000}", "\n".join(said))
    assert found is not None
    return found[0]


def test_by_browser(signs: SignIns, openid: OpenId) -> None:
    """A browser that the provider sends back to this machine ends the sign-in, with PKCE, as the account named."""
    said: list[str] = []
    threads: list[threading.Thread] = []

    def open_page(url: str) -> None:
        threads.append(threading.Thread(target=lambda: requests.get(openid.sign_in(url), timeout=10)))
        threads[0].start()

    standing = by_browser(signs, "desk", said.append, open_page=open_page)
    threads[0].join()
    assert ("signed in", DESK, True) == (standing.state, standing.signed_in_as, standing.works)
    assert f"Sign in as {DESK}" in said[0]
    assert "code_challenge_method=S256" in said[1]
    assert DESK == whose(openid, signs.source("desk")())


def test_by_pasting(signs: SignIns, openid: OpenId) -> None:
    """With the browser elsewhere, the address it ended at is pasted."""
    said: list[str] = []
    standing = by_paste(signs, "desk", said.append, lambda _question: openid.sign_in(address(said)))
    assert "signed in" == standing.state


def test_by_device(signs: SignIns, openid: OpenId) -> None:
    """A code typed on another device ends the sign-in; asking before that is told to wait."""
    openid.control(account=DESK)
    flow = signs.begin_device("desk")
    waiting = signs.poll_device(flow)
    assert (None, flow.interval) == (waiting.done, waiting.wait)
    assert "signed in" == openid.type_code(flow.verification_uri_complete)
    done = signs.poll_device(flow).done
    assert done is not None
    assert ("signed in", DESK) == (done.state, done.signed_in_as)
    with pytest.raises(LoginRefused, match="begin again"):
        signs.poll_device(flow)


def test_by_device_from_a_terminal(signs: SignIns, openid: OpenId) -> None:
    """The terminal says address and code, and waits until somebody has signed in."""
    said: list[str] = []
    openid.control(account=DESK)

    def pause(_seconds: float) -> None:
        code = said[-1].partition("type the code ")[2].rstrip(".")
        openid.type_code(f"{openid.issuer}/device?user_code={code}")

    assert "signed in" == by_device(signs, "desk", said.append, pause=pause).state


def test_a_person_who_says_no(signs: SignIns, openid: OpenId) -> None:
    """The provider's words come through, nothing is kept, and the answer is good once only."""
    openid.control(deny=True)
    flow = signs.begin_code_flow("desk", "http://127.0.0.1:1/")
    answer = openid.sign_in(flow.url)
    with pytest.raises(LoginRefused, match="access_denied the person said no"):
        signs.finish_code_flow(answer)
    with pytest.raises(LoginRefused, match="no sign-in is under way"):
        signs.finish_code_flow(answer)
    assert ["not signed in"] == [one.state for one in signs.status()]


def test_an_answer_to_somebody_elses_sign_in(signs: SignIns, openid: OpenId) -> None:
    """Neither another state nor another sender's issuer is taken."""
    first, second = (signs.begin_code_flow("desk", "http://127.0.0.1:1/") for _ in range(2))
    answer = openid.sign_in(first.url)
    with pytest.raises(LoginRefused, match="no sign-in is under way"):
        signs.finish_code_flow(answer, state=second.state)
    with pytest.raises(LoginRefused, match="another provider"):
        signs.finish_code_flow(answer.replace("iss=http", "iss=https"))


def test_the_loopback_waits_for_an_answer_only() -> None:
    """Whatever else the browser asks for is not taken for the answer."""
    with Loopback() as loopback:
        assert 404 == requests.get(f"{loopback.redirect_uri}favicon.ico", timeout=5).status_code
        assert loopback.wait(0) is None
        assert 200 == requests.get(f"{loopback.redirect_uri}?code=a&state=b", timeout=5).status_code
        assert "/?code=a&state=b" == loopback.wait(5)


def test_a_token_is_renewed_before_it_ends(signs: SignIns, openid: OpenId, clock: Clock) -> None:
    """A fresh token is given again without a request; near its end it is renewed once, the refresh token too."""
    sign_in(signs, openid)
    openid.control(requests=[])
    first = signs.source("desk")()
    assert (first, 0) == (signs.source("desk")(), openid.renewals())
    for number in (1, 2, 3):  # each time with the refresh token that the last renewal gave
        clock.ahead += 3400
        assert (DESK, number) == (whose(openid, signs.source("desk")()), openid.renewals())


@pytest.mark.fault("O17")
def test_a_renewal_that_the_store_cannot_take_is_not_lost(
    signs: SignIns, openid: OpenId, clock: Clock, database: Database
) -> None:
    """The provider has changed the refresh token, and the store fails just as it is put in: the new token is good
    meanwhile, and the sign-in goes on when the store is well again.
    """
    sign_in(signs, openid)
    failing = "BEFORE UPDATE OF sealed ON oauth_token BEGIN SELECT RAISE(ABORT, 'database is locked'); END"
    with database.engine.begin() as db:
        db.exec_driver_sql(f"CREATE TRIGGER locked {failing}")
    clock.ahead += 3400
    assert DESK == whose(openid, signs.source("desk")())
    with database.engine.begin() as db:
        db.exec_driver_sql("DROP TRIGGER locked")
    for _ in range(2):
        clock.ahead += 3400
        assert DESK == whose(openid, signs.source("desk")())
    assert 3 == openid.renewals()


def test_a_revoked_sign_in_deactivates_the_connection(
    signs: SignIns, openid: OpenId, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused renewal is told with what to run, is not asked again, shows in the status; a new sign-in ends it."""
    sign_in(signs, openid)
    kept = signs.token_manager.opened(signs.connections["desk"], signs._rows.find("desk").sealed)  # type: ignore[union-attr]
    data = {"token": kept.refresh, "client_id": "bridge"}
    assert 200 == requests.post(f"{openid.issuer}/token/revocation", data=data, timeout=10).status_code
    clock.ahead += 3600
    openid.control(requests=[])
    for _ in range(3):
        with pytest.raises(
            SignInNeeded, match=r"deactivated: .* invalid_grant.*; run redmine-mailbridge oauth login desk"
        ):
            signs.source("desk")()
    assert 1 == openid.renewals()
    (standing,) = signs.status()
    assert ("deactivated", False) == (standing.state, standing.works)
    assert "invalid_grant" in standing.reason
    sign_in(signs, openid)
    assert DESK == whose(openid, signs.source("desk")())
    out = capsys.readouterr()
    assert kept.refresh not in out.out + out.err


def test_an_outage_is_only_a_pause(signs: SignIns, openid: OpenId, clock: Clock) -> None:
    """While the provider is away the old token serves as long as it lasts, then it is `later`; nothing is lost."""
    sign_in(signs, openid)
    first = signs.source("desk")()
    openid.control(down=True)
    clock.ahead += 3400
    assert first == signs.source("desk")()
    clock.ahead += 300
    with pytest.raises(ProviderAway, match="503"):
        signs.source("desk")()
    assert ["signed in"] == [one.state for one in signs.status()]
    openid.control(down=False)
    assert DESK == whose(openid, signs.source("desk")())


def test_nobody_listens_there(database: Database, tmp_path: Path) -> None:
    """A provider that cannot be reached is `later` too, without an object's address in the words."""
    endpoints = Endpoints(token="http://127.0.0.1:1/token", authorization="http://127.0.0.1:1/auth")
    provider = Provider(name="p", title="P", client_id="c", client_secret="s3cret", endpoints=endpoints,
                        grant=Grant.CLIENT_CREDENTIALS)  # fmt: skip
    signs = signs_of(provider, database, tmp_path)
    with pytest.raises(ProviderAway, match=r"^oauth p \(P\): cannot be reached: no connection$"):
        signs.source("desk")()


def test_nobody_has_signed_in(signs: SignIns) -> None:
    """Before the first sign-in the line says who is to sign in, and how."""
    with pytest.raises(SignInNeeded, match=f"no sign-in as {DESK}; run redmine-mailbridge oauth login desk"):
        signs.source("desk")()


def test_another_application_needs_another_sign_in(
    signs: SignIns, openid: OpenId, database: Database, tmp_path: Path
) -> None:
    """Tokens of another client id, and tokens sealed under a key that is lost, are not used."""
    sign_in(signs, openid)
    other = signs_of(person(openid, client_id="other"), database, tmp_path)
    with pytest.raises(SignInNeeded, match="is of another application"):
        other.source("desk")()
    (tmp_path / "token.key").rename(tmp_path / "lost.key")
    lost = signs_of(person(openid), database, tmp_path)
    with pytest.raises(SignInNeeded, match="sealed under another key"):
        lost.source("desk")()


def test_client_credentials(openid: OpenId, database: Database, tmp_path: Path, clock: Clock) -> None:
    """The application itself gets tokens, and new ones when they end; nobody signs in; a wrong secret is told."""
    robot = person(
        openid, client_id="robot", client_secret=openid.robot_secret, grant=Grant.CLIENT_CREDENTIALS, scopes=("mail",)
    )
    signs = signs_of(robot, database, tmp_path, clock)
    first = signs.source("desk")()
    clock.ahead += 3600
    assert first != signs.source("desk")()
    assert ["automatic"] == [one.state for one in signs.status()]
    with pytest.raises(SettingsError, match="needs no sign-in"):
        signs.begin_device("desk")
    clock.ahead += 3600
    wrong = "not-the-secret-of-the-robot"
    with pytest.raises(LoginRefused, match="invalid_client") as refused:
        signs_of(dataclasses.replace(robot, client_secret=wrong), database, tmp_path, clock).source("desk")()
    assert wrong not in str(refused.value)


def test_service_account(openid: OpenId, database: Database, tmp_path: Path, clock: Clock) -> None:
    """A JWT signed with the service account's key gets tokens of the mailbox's own account; a wrong key does not."""
    keys = [jwk.RSAKey.generate_key(2048) for _ in range(2)]
    openid.control(key=keys[0].as_pem(private=False).decode())
    file = tmp_path / "account.json"

    def held(key: jwk.RSAKey) -> str:
        pem = key.as_pem(private=True).decode()
        return json.dumps({"client_email": "bridge@firm.example", "private_key": pem, "private_key_id": "1"})

    file.write_text(held(keys[0]))
    endpoints = Endpoints(token=f"{openid.issuer}/service/token")
    provider = person(
        openid, grant=Grant.SERVICE_ACCOUNT, endpoints=endpoints, service_account_file=file, scopes=("mail",)
    )
    signs = signs_of(provider, database, tmp_path, clock)
    assert DESK == whose(openid, signs.source("desk")())
    file.write_text(held(keys[1]))
    clock.ahead += 3600
    with pytest.raises(LoginRefused, match="invalid_grant: signature verification failed") as refused:
        signs.source("desk")()
    assert not isinstance(refused.value, SignInNeeded)
    assert "PRIVATE KEY" not in str(refused.value)


def test_a_token_that_the_mail_server_refuses_is_renewed_once(signs: SignIns, openid: OpenId, clock: Clock) -> None:
    """A refused token is renewed before it is given again; a refused new one is not, since that changes nothing."""
    sign_in(signs, openid)
    source = signs.source("desk")
    first = source()
    source.refused(first)
    assert first == source()
    clock.ahead += keeping.YOUNG + 1
    source.refused("another token")
    assert first == source()
    source.refused(first)
    second = source()
    assert first != second
    source.refused(second)
    assert second == source()


def test_what_lies_in_the_store(signs: SignIns, openid: OpenId, tmp_path: Path) -> None:
    """Neither tokens nor what a sign-in under way needs lie in the database in clear; the key is its owner's only."""
    flow = signs.begin_code_flow("desk", "http://127.0.0.1:1/")
    device = signs.begin_device("desk")
    sign_in(signs, openid)
    kept = signs.token_manager.opened(signs.connections["desk"], signs._rows.find("desk").sealed)  # type: ignore[union-attr]
    bytes_ = b"".join(file.read_bytes() for file in tmp_path.glob("bridge.db*"))
    for secret in (kept.access, kept.refresh, flow.state, device.id, "verifier"):
        assert secret.encode() not in bytes_
    assert b"oauth_token" in bytes_
    assert 0o600 == stat.S_IMODE((tmp_path / "token.key").stat().st_mode)
    assert kept.access not in repr(kept)
    (tmp_path / "token.key").chmod(0o644)
    with pytest.raises(SettingsError, match="others can read it"):
        Encryption(tmp_path / "token.key").encrypt({})


def test_a_new_key_above_the_old_one(tmp_path: Path) -> None:
    """What was sealed under an old key opens as long as that key stands below the new one."""
    old, file = Encryption(tmp_path / "old"), tmp_path / "new"
    sealed = old.encrypt({"a": 1})
    Encryption(file).encrypt({})
    file.write_text(file.read_text() + (tmp_path / "old").read_text())
    assert {"a": 1} == Encryption(file).decrypt(sealed)


def test_forgetting_revokes(signs: SignIns, openid: OpenId) -> None:
    """What is forgotten is gone here and at the provider."""
    sign_in(signs, openid)
    kept = signs.token_manager.opened(signs.connections["desk"], signs._rows.find("desk").sealed)  # type: ignore[union-attr]
    assert signs.forget("desk")
    assert not signs.forget("desk")
    assert "" == whose(openid, kept.refresh)
    assert ["not signed in"] == [one.state for one in signs.status()]


def test_forgetting_what_the_settings_no_longer_have(
    signs: SignIns, openid: OpenId, database: Database, tmp_path: Path
) -> None:
    """Tokens of a mailbox that was taken out of the settings can still be removed; an unknown name is told."""
    sign_in(signs, openid)
    without = SignIns({}, database, Encryption(tmp_path / "token.key"))
    assert without.forget("desk")
    with pytest.raises(SettingsError, match="signs in nowhere by OAuth"):
        without.forget("desk")


RENEW = """
import sys
from tests.real.test_oauth import DESK, person, signs_of
from redmine_mailbridge.store.database import Database
from pathlib import Path
from types import SimpleNamespace
issuer, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
database = Database(url)
signs = signs_of(person(SimpleNamespace(issuer=issuer)), database, folder)
print("ready", flush=True)
sys.stdin.readline()
print(signs.source("desk")(), flush=True)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_processes_renew_once(openid: OpenId, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """Processes that find the token ended at the same moment ask the provider once between them."""
    local = f"sqlite:///{tmp_path / 'bridge.db'}"
    url = local if kind == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    database = Database(url)
    database.migrate()
    openid.control(life=1)
    signs = signs_of(person(openid), database, tmp_path)
    sign_in(signs, openid)
    openid.control(life=3600, requests=[])
    command = [sys.executable, "-c", RENEW, openid.issuer, str(tmp_path), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert "ready\n" == other.stdout.readline()
        wait_until(lambda: time.time() >= (signs.status()[0].expires_at or 0.0), "the token ends", 30)
        other.stdin.write("go\n")
        other.stdin.flush()
        found = {signs.source("desk")(), other.communicate(timeout=60)[0].splitlines()[-1]}
    assert (1, 1) == (len(found), openid.renewals())
    assert DESK == whose(openid, found.pop())
    assert signs.forget("desk")
    database.close()


def test_whoever_signs_in_during_a_renewal_wins(signs: SignIns, openid: OpenId, clock: Clock) -> None:
    """What an outdated renewal brings is not put in over a new sign-in, and a lease ends by itself."""
    sign_in(signs, openid)
    row = signs._rows.find("desk")
    assert row is not None
    assert signs._rows.lease("desk", row.version, 120)
    assert not signs._rows.lease("desk", row.version, 120)
    sign_in(signs, openid)
    times = {"renew_at": 0.0, "expires_at": 0.0}
    assert not signs._rows.renewed("desk", row.version, b"old", **times)
    assert not signs._rows.refuse("desk", row.version, "old")
    assert signs._rows.lease("desk", row.version + 1, 120)
    clock.ahead += 121
    assert signs._rows.lease("desk", row.version + 1, 120)
