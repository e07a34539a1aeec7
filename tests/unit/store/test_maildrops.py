"""What a POP3 mailbox remembers of its mails."""

from redmine_mailbridge.mailboxes.pop3.mailbox import FOLDER, VALIDITY
from redmine_mailbridge.mailboxes.pop3.unique_ids import SIGN
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.store.maildrops import GONE_AT_MOST, HEAD, Maildrop
from redmine_mailbridge.store.messages import Store
from tests.unit.store.kept import lines


def _keep(
    store: Store, uid: str, content: bytes, *, mailbox: str = "pop", folder: str = FOLDER, cut: bool = False
) -> int:
    listed = Listed(Location(mailbox, folder, VALIDITY, uid), len(content))
    (row,) = store.add([RawMail(listed, content, truncated=cut)])
    return row.id


def _gone(store: Store, mail_id: int) -> None:
    store.filed([(mail_id, "deleted from the server")], vacated=[mail_id])


def test_mails_are_remembered_by_uidl_those_that_lie_there_first_then_the_newest(store: Store) -> None:
    first, second, other = (_keep(store, uid, uid.encode()) for uid in ("a", f"a{SIGN}2", "b"))
    _keep(store, "a", b"elsewhere", mailbox="imap")
    _keep(store, "a", b"another folder", folder="Junk")
    _gone(store, second)
    third = _keep(store, f"a{SIGN}3", b"third")
    drop = Maildrop(store, "pop")
    assert [(third, False), (first, False), (second, True)] == [(one.id, one.gone) for one in drop.mails(["a"])]
    assert [(other, "b")] == [(one.id, one.uid) for one in drop.mails(["b", "c"])]
    assert {"b", "a"} == set(drop(["a", "b", f"a{SIGN}2", "c"]))


def test_few_of_the_mails_that_are_gone_are_compared_with_a_new_one_of_the_same_name(store: Store) -> None:
    numbers = []
    for number in range(GONE_AT_MOST + 2):
        numbers.append(_keep(store, "a", b"mail %d" % number))
        _gone(store, numbers[-1])
    assert list(reversed(numbers[-GONE_AT_MOST:])) == [one.id for one in Maildrop(store, "pop").mails(["a"])]


def test_a_remembered_mail_has_its_header_and_the_digest_of_its_whole_bytes(store: Store) -> None:
    _keep(store, "whole", b"x" * (HEAD + 5))
    _keep(store, "cut", b"beginning", cut=True)
    whole, cut = sorted(Maildrop(store, "pop").mails(["whole", "cut"]), key=lambda one: one.id)
    assert (256 * 1024, b"beginning") == (len(whole.head() or b""), cut.head())
    assert (64, None) == (len(whole.digest or ""), cut.digest)
    for path in store.raw.root.rglob("*.eml"):
        path.unlink()
    assert None is whole.head()


def test_a_mail_that_lies_there_again_stays_and_is_known_again(store: Store) -> None:
    mail_id = _keep(store, "a", b"one")
    _gone(store, mail_id)
    drop = Maildrop(store, "pop")
    (gone,) = drop.mails(["a"])
    for _ in range(2):
        drop.is_back(gone, "a2")
    (back,) = drop.mails(["a2"])
    assert (mail_id, "a2", False) == (back.id, back.uid, back.gone)
    line = "the server lists it again after it was gone: left in place"
    assert 1 == lines(store, mail_id).count(line)
