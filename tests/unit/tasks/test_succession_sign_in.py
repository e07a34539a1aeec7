"""A sign-in by OAuth follows its mailbox to another name."""

from pathlib import Path
from typing import Any, cast

import pytest

from redmine_mailbridge.oauth.encryption import Seal, Unsealable
from redmine_mailbridge.oauth.model import Connection, Provider, Tokens
from redmine_mailbridge.oauth.token_manager import Keeper

PROVIDER = Provider(name="ms", title="Microsoft", client_id="app")
TOKENS = Tokens("access", "refresh", 2.0, 1.0, "desk@example.com")


@pytest.mark.fault("I12")
def test_tokens_follow_a_renamed_mailbox(tmp_path: Path) -> None:
    """Tokens that were sealed under one name, by an earlier version too, are good under another one of the same
    account and application, and of no other account.
    """
    seal = Seal(tmp_path / "key")
    keeper = Keeper(cast("Any", None), seal, cast("Any", None))
    before, after = (Connection(name, "desk@example.com", PROVIDER) for name in ("support", "helpdesk"))
    assert TOKENS == keeper.opened(after, keeper.sealed(before, TOKENS))
    earlier = seal.open(keeper.sealed(before, TOKENS)) | {"connection": "support"}
    assert TOKENS == keeper.opened(after, seal.seal(earlier))
    with pytest.raises(Unsealable, match="another account"):
        keeper.opened(Connection("support", "other@example.com", PROVIDER), keeper.sealed(before, TOKENS))
