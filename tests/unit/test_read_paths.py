"""Who only looks sends Redmine nothing that could write: the commands that read ask by GET alone."""

from pathlib import Path

import pytest

from tests.helpdesk import ANNA, HelpDesk, SmallRedmine, help_desk, post, writes

FURTHER = "an@other.example"
"""An address that the list of users finds Anna by, whose default address it is not."""
TEXT = "Please.\n\nPriorité: Normal\nAssigned to: anna\nDue date: 2027-01-02\n"


def older(redmine: SmallRedmine) -> None:
    """Make it answer as before 5.1: filters by address are ignored, and a search finds users by any address."""
    answer = redmine._route

    def route(method, path, query, body, user):  # type: ignore[no-untyped-def]
        if (method, path) == ("GET", ["users"]):
            wanted = query.get("name", [""])[0]
            numbers = (
                [ANNA] if wanted in FURTHER and wanted else [n for n, one in redmine.users.items() if wanted in one[2]]
            )
            return {"users": [redmine._user(n) for n in numbers], "total_count": len(numbers)}
        return answer(method, path, query, body, user)

    redmine._route = route  # type: ignore[method-assign]


@pytest.mark.parametrize("version", ["5.0", "6.1"])
def test_who_only_looks_only_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """`explain`, `receive --dry-run` and `check` send GETs alone, whatever the mails ask for: a sender who is a user,
    by the default or by another address, a stranger of whom a user would be made, keyword lines in other languages.
    """
    with post() as server, help_desk(tmp_path, monkeypatch, server) as desk:
        desk.change({"redmine": {"keyword_languages": ["fr"]}, "mailboxes": {"desk": {"issue": {
            "unknown_sender": "create", "allow_override": "all", "trust": "any",
        }}}})  # fmt: skip
        if version == "5.0":
            older(desk.redmine)
        mails = [writes(sender, text=TEXT) for sender in ("anna@example.com", FURTHER, "Nora <nora@new.example>")]
        for raw in mails:
            desk.mail(raw)
        seen = looked(desk, tmp_path, mails, old=version == "5.0")
    assert [] == [one for one in seen if one[0] not in ("GET", "HEAD")]
    assert ("GET", "/users.json") in seen
    assert {} == desk.redmine.issues


def looked(desk: HelpDesk, folder: Path, mails: list[bytes], *, old: bool) -> list[tuple[str, str]]:
    """Run all that only looks. Return the requests, method and path."""
    files = [folder / f"{at}.eml" for at in range(len(mails))]
    for file, raw in zip(files, mails, strict=True):
        file.write_bytes(raw)
    before, said = len(desk.redmine.requests), list[str]()
    for command in (["explain", *map(str, files)], ["receive", "--once", "--dry-run"], ["check"]):
        done = desk.command(*command)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        said.append(done.output)
    assert "3 would become an issue" in said[1]
    assert ("older than 5.1" in said[2], "check --try-issues` to test" in said[2]) == (old, True)
    return desk.redmine.requests[before:]
