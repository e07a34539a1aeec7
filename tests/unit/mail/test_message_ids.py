"""Our own Message-IDs and markers: made alike, read only by their maker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.mail.message_ids import SignedId, Signer

OURS = Signer(b"sixteen bytes or more", "https://redmine.example.com")


@given(st.integers(1, 9_999_999_999), st.text(max_size=80))
def test_what_we_sign_we_read(issue: int, serial: str) -> None:
    """Every id and marker that we make is read back with its issue, whatever the serial."""
    made = OURS.message_id("answer", issue, serial, "example.com")
    found = OURS.read(f"<{made}>")
    assert found is not None
    assert ("answer", issue) == (found.kind, found.issue)
    assert [issue] == list(OURS.markers_in(f"> see\n> {OURS.marker(issue)} below"))
    assert made == OURS.message_id("answer", issue, serial, "example.com")


def test_the_host_does_not_count() -> None:
    """A relay that puts its own host into the id does not break the thread."""
    made = OURS.message_id("received", 7, "42", "example.com")
    assert SignedId("received", 7, "42") == OURS.read(made.replace("@example.com", "@relay.example.net"))


@pytest.mark.parametrize(("old", "new"), [(".7.", ".8."), ("answer", "closed"), (".42.", ".43."), ("mb.", "mc.")])
def test_a_changed_id_is_nobodys(old: str, new: str) -> None:
    """Whoever changes issue, kind or serial of an id has none."""
    made = OURS.message_id("answer", 7, "42", "example.com")
    assert OURS.read(made.replace(old, new, 1)) is None


def test_another_instance_or_key_is_not_ours() -> None:
    """Mail of a test installation, or signed with another key, opens nothing here."""
    for other in (Signer(OURS.key, "https://test.example.com"), Signer(b"another key of the same kind", OURS.instance)):
        assert OURS.read(other.message_id("answer", 7, "1", "example.com")) is None
        assert [] == list(OURS.markers_in(other.marker(7)))


def test_an_id_is_no_marker_and_no_marker_an_id() -> None:
    """The hash of an id cannot be used to make a marker."""
    hash_of_id = OURS.message_id("answer", 7, "1", "h").split("@")[0].rpartition(".")[2]
    hash_of_marker = OURS.marker(7).rpartition("z")[2]
    assert hash_of_id != hash_of_marker
    assert [] == list(OURS.markers_in(OURS.marker(7).replace(hash_of_marker, hash_of_id)))


def test_markers_inside_words_do_not_count() -> None:
    """A marker is a word of its own."""
    assert [] == list(OURS.markers_in(f"x{OURS.marker(7)} {OURS.marker(7)}x"))


def test_refusals() -> None:
    """A short key, a kind that is no word and an issue that is none are refused."""
    with pytest.raises(ValueError, match="16 bytes"):
        Signer(b"short")
    for kind, issue in (("an swer", 7), ("answer", 0), ("", 7)):
        with pytest.raises(ValueError, match="no Message-ID"):
            OURS.message_id(kind, issue, "1", "example.com")


def test_the_key_is_not_shown() -> None:
    """The signing key stands in no representation."""
    assert "sixteen" not in repr(OURS)


def test_hostile_text_is_linear() -> None:
    """A megabyte of almost-markers is read at once."""
    assert [] == list(OURS.markers_in("mbz1z" * 200_000))
    assert OURS.read("mb." + "a." * 200_000) is None


def test_mail_to_third_parties_has_a_marker_of_its_own() -> None:
    """The marker of mail to third parties names its issue as any other does, and alone says what kind of mail it was;
    neither can be made from the other.
    """
    theirs, ours = OURS.marker(7, third_party=True), OURS.marker(7)
    assert [7] == list(OURS.markers_in(f"> {theirs}"))
    assert (True, False) == (OURS.quotes_third_party_mail(f"> {theirs}"), OURS.quotes_third_party_mail(f"> {ours}"))
    forged = ours.replace("z", "x")
    assert ([], False) == (list(OURS.markers_in(forged)), OURS.quotes_third_party_mail(forged))
    assert SignedId("third_party", 7, "j5") == OURS.read(OURS.message_id("third_party", 7, "j5", "example.com"))
