"""What the store lacks of a mail."""

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.store.mails.whole import lacking
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.clocks import Clock
from tests.unit.store.kept import describe, keep, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_of_a_mail_that_is_done_the_bytes_may_be_forgotten_but_were_once_there_as_a_whole(
    store: Store, clock: Clock
) -> None:
    listed = Listed(Location("support", "INBOX", "1", "9"), 5)
    unfetched = store.add_unfetched(listed, "no answer", cursor=Cursor("1", "9"), state=State.STORED).id
    (cut,) = store.add([RawMail(Listed(Location("support", "INBOX", "1", "10"), 5), b"begin", truncated=True)])
    whole, undescribed = keep(store, 1), keep(store, 2)
    describe(store, whole, "1@x")
    assert [None, None, "its bytes were never fetched"] == [
        lacking(store, mail_id, State.STORED) for mail_id in (whole, undescribed, unfetched)
    ]
    assert "it was fetched partially" in (lacking(store, cut.id, State.DONE) or "")
    put(store, whole, State.DONE)
    store.filed([(whole, "Done")])
    assert 1 == forget_raw(store, older_than=clock.now + 1)
    assert None is lacking(store, whole, State.DONE)
    assert "its bytes are no longer in the store" == lacking(store, whole, State.REJECTED)


def test_damaged(store: Store) -> None:
    """Bytes that are there and damaged are as good as gone, unless the message is done."""
    mail_id = keep(store, 1)
    describe(store, mail_id, "1@x")
    for path in store.raw.root.rglob("*.eml"):
        path.chmod(0o600)
        path.write_bytes(b"Subject: h")
    assert [None, "its bytes are no longer in the store"] == [
        lacking(store, mail_id, state) for state in (State.DONE, State.HELD)
    ]
