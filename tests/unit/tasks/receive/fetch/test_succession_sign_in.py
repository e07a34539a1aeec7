"""A sign-in by OAuth follows its mailbox to another name."""

from pathlib import Path
from typing import Any, cast

import pytest

from redmine_mailbridge.oauth.encryption import Encryption, Unsealable
from redmine_mailbridge.oauth.model import Provider, SignInConnection, Tokens
from redmine_mailbridge.oauth.token_manager import TokenManager

PROVIDER = Provider(name="ms", title="Microsoft", client_id="app")
TOKENS = Tokens("access", "refresh", 2.0, 1.0, "desk@example.com")


@pytest.mark.fault("I12")
def test_tokens_follow_a_renamed_mailbox(tmp_path: Path) -> None:
    """Tokens that were sealed under one name, by an earlier version too, are good under another one of the same
    account and application, and of no other account.
    """
    seal = Encryption(tmp_path / "key")
    keeper = TokenManager(cast("Any", None), seal, cast("Any", None))
    before, after = (SignInConnection(name, "desk@example.com", PROVIDER) for name in ("support", "helpdesk"))
    assert TOKENS == keeper.opened(after, keeper.sealed(before, TOKENS))
    earlier = seal.decrypt(keeper.sealed(before, TOKENS)) | {"connection": "support"}
    assert TOKENS == keeper.opened(after, seal.encrypt(earlier))
    with pytest.raises(Unsealable, match="another account"):
        keeper.opened(SignInConnection("support", "other@example.com", PROVIDER), keeper.sealed(before, TOKENS))
