"""Whose mails the store holds, when names change, on PostgreSQL."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from redmine_mailbridge.store.messages import Store
from tests.accounts_case import check_exchange, check_rename_and_move

pytestmark = [pytest.mark.real, pytest.mark.newest]


@pytest.mark.parametrize("check", [check_exchange, check_rename_and_move])
def test_names_follow_their_accounts(postgresql_url: str, tmp_path: Path, check: Callable[[Store], None]) -> None:
    """Every table that names a mailbox names it anew, also when two exchange their names."""
    name = f"case_{check.__name__}"
    engine = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    store = Store.open(postgresql_url.rpartition("/")[0] + f"/{name}", tmp_path / "raw")
    try:
        check(store)
    finally:
        store.close()
