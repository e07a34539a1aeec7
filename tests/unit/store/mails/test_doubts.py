"""The message of a folder that is suspected of breaking the connection."""

from dataclasses import replace

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.store.mails.doubts import Doubt, Doubts
from redmine_mailbridge.store.messages import Store

PLACE = Location("support", "INBOX", "1", "7")


def test_a_suspect_is_kept_for_its_folder_until_it_is_none_any_more(store: Store) -> None:
    doubts = Doubts(store)
    doubt = doubts.of(PLACE)
    assert ("", 0, 0, "", False, False) == (
        doubt.uid, doubt.fails, doubt.blamed, doubt.words, doubt.single, doubt.other_first,
    )  # fmt: skip
    doubt.against("7", "connection lost")
    doubt.blamed, doubt.single, doubt.other_first = 2, True, True
    doubts.note(PLACE, doubt)
    assert doubt == Doubts(store).of(PLACE) == doubts.of(PLACE)
    for other in (replace(PLACE, folder="Junk"), replace(PLACE, mailbox="sales"), replace(PLACE, uid_validity="2")):
        assert Doubt() == Doubts(store).of(other)
    doubts.note(PLACE, Doubt())
    assert Doubt() == Doubts(store).of(PLACE) == doubts.of(PLACE)


def test_another_suspect_begins_anew_and_one_that_came_is_none() -> None:
    doubt = Doubt(single=True)
    for _ in range(2):
        doubt.against("7", "connection lost")
    doubt.blamed, doubt.other_first = 1, True
    assert 2 == doubt.fails
    doubt.against("8", "timed out")
    assert Doubt("8", 1, 0, "timed out", single=True, other_first=False) == doubt
    doubt.lift()
    assert Doubt(single=True) == doubt
