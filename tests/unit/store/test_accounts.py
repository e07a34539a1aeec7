"""Whose mails the store holds, when names change, on SQLite; tests/real does the same on PostgreSQL."""

from collections.abc import Callable

import pytest

from redmine_mailbridge.store.messages import Store
from tests.accounts_case import check_exchange, check_rename_and_move


@pytest.mark.parametrize("check", [check_exchange, check_rename_and_move])
def test_names_follow_their_accounts(store: Store, check: Callable[[Store], None]) -> None:
    """Every table that names a mailbox names it anew, also when two exchange their names."""
    check(store)
