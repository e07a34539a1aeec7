"""Tokens of OAuth connections and sign-ins under way: who may put in the next ones, and for how long."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tokens import FlowRow, TokenRow, TokenRows
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rows(store: Store, clock: Clock) -> TokenRows:
    return TokenRows(store.database, clock)


def _sign_in(rows: TokenRows, connection: str = "mail", sealed: bytes = b"one") -> None:
    rows.signed_in(connection, sealed, signed_in_as="kim", renew_at=50.0, expires_at=60.0)


def test_a_sign_in_replaces_what_was_there_and_counts_as_one_more_version(rows: TokenRows, clock: Clock) -> None:
    assert None is rows.find("mail")
    _sign_in(rows)
    first = TokenRow("mail", b"one", None, "kim", clock.now, clock.now, 50.0, 60.0, 1, 0.0)
    assert first == rows.find("mail")
    assert rows.refuse("mail", 1, "revoked")
    clock.now += 9
    _sign_in(rows, sealed=b"two")
    assert TokenRow("mail", b"two", None, "kim", clock.now, clock.now, 50.0, 60.0, 2, 0.0) == rows.find("mail")


def test_one_at_a_time_may_put_in_the_next_tokens_until_the_time_is_over(rows: TokenRows, clock: Clock) -> None:
    _sign_in(rows)
    assert rows.lease("mail", 1, 30.0)
    assert not rows.lease("mail", 1, 30.0)
    found = rows.find("mail")
    assert found is not None
    assert clock.now + 30 == found.lease_until
    clock.now += 29.9
    assert not rows.lease("mail", 1, 30.0)
    clock.now += 0.1
    assert rows.lease("mail", 1, 30.0)
    rows.give_back("mail", 1, renew_at=77.0)
    found = rows.find("mail")
    assert found is not None
    assert (0.0, 77.0) == (found.lease_until, found.renew_at)
    assert rows.lease("mail", 1, 30.0)
    rows.give_back("mail", 1)
    assert not rows.lease("mail", 2, 30.0), "of another version there is nothing to renew"


def test_a_connection_that_nothing_is_kept_for_gets_a_row_with_the_first_lease(rows: TokenRows, clock: Clock) -> None:
    assert rows.lease("mail", 0, 30.0)
    assert TokenRow("mail", None, None, "", None, None, 0.0, 0.0, 0, clock.now + 30) == rows.find("mail")
    assert not rows.lease("mail", 0, 30.0)


def test_new_tokens_replace_those_of_the_version_that_they_were_made_of(rows: TokenRows, clock: Clock) -> None:
    _sign_in(rows)
    signed_in_at = clock.now
    assert rows.refuse("mail", 1, "try later")
    clock.now += 9
    assert rows.renewed("mail", 1, b"two", renew_at=70.0, expires_at=80.0)
    renewed = TokenRow("mail", b"two", None, "kim", signed_in_at, clock.now, 70.0, 80.0, 2, 0.0)
    assert renewed == rows.find("mail")
    assert not rows.renewed("mail", 1, b"old", renew_at=1.0, expires_at=1.0)
    assert not rows.refuse("mail", 1, "revoked")
    assert not rows.stale("mail", 1)
    assert renewed == rows.find("mail")


def test_a_refusal_stays_and_ends_the_lease(rows: TokenRows) -> None:
    _sign_in(rows)
    _sign_in(rows, "other")
    assert rows.lease("mail", 1, 30.0)
    assert rows.refuse("mail", 1, "revoked")
    found, other = rows.find("mail"), rows.find("other")
    assert found is not None
    assert other is not None
    assert ("revoked", 0.0, None) == (found.refused, found.lease_until, other.refused)


def test_a_token_that_the_mail_server_does_not_take_is_renewed_at_once(rows: TokenRows) -> None:
    _sign_in(rows)
    assert rows.stale("mail", 1)
    found = rows.find("mail")
    assert found is not None
    assert 0.0 == found.renew_at


def test_a_forgotten_connection_is_gone_with_its_sign_ins(rows: TokenRows, clock: Clock) -> None:
    _sign_in(rows)
    _sign_in(rows, "other")
    rows.begin("key", "mail", b"flow", ends_at=clock.now + 60)
    rows.begin("key of the other", "other", b"flow", ends_at=clock.now + 60)
    assert rows.forget("mail")
    assert not rows.forget("mail")
    assert (None, None) == (rows.find("mail"), rows.under_way("key"))
    assert None is not rows.find("other")
    assert FlowRow("other", b"flow", clock.now + 60) == rows.under_way("key of the other")


def test_a_sign_in_under_way_ends_once_or_with_its_time(rows: TokenRows, clock: Clock) -> None:
    ends_at = clock.now + 60
    rows.begin("key", "mail", b"flow", ends_at=ends_at)
    assert None is rows.under_way("another key")
    assert FlowRow("mail", b"flow", ends_at) == rows.under_way("key")
    clock.now = ends_at
    assert FlowRow("mail", b"flow", ends_at) == rows.under_way("key")
    assert rows.end("key")
    assert not rows.end("key")
    rows.begin("late", "mail", b"flow", ends_at=ends_at)
    clock.now += 1
    assert None is rows.under_way("late")
    rows.begin("next", "mail", b"flow", ends_at=clock.now + 60)
    rows.begin("beside it", "mail", b"flow", ends_at=clock.now + 30)
    assert FlowRow("mail", b"flow", clock.now + 60) == rows.under_way("next")
    assert not rows.end("late"), "what is over is forgotten when the next begins"
