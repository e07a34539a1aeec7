"""The only writer of issues: small functions, each wrapping its one HTTP write in one `effect`.

Who calls records an intent (the request as JSON) before each, and after `RedmineUnclear` asks `Look` before it
writes again.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.model.mail import Attachment, LeftOut
from redmine_mailbridge.redmine.client import Client, Sized
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.recognise import as_made, missing_files, missing_text
from redmine_mailbridge.redmine.recovery import Look, newest_of
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.text_cleaning import clean_line, same_text
from redmine_mailbridge.redmine.trial import Trial
from redmine_mailbridge.redmine.users import utc
from redmine_mailbridge.redmine.verification import TEXTS, Drift, author_drift, issue_drift
from redmine_mailbridge.side_effects import Effect, effect

FILENAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Written:
    """What is in Redmine now. `drift`: what Redmine silently did not take, one English line each.

    `dropped` names the attributes of the issue that are not as asked, which the bridge's own user may be able to
    set (`Writer.amend`). `unlike` are all that are not as asked, custom fields by their ids; `text` is what is not
    there of the description or note, `files` the names of those that are not.
    """

    issue: int
    journal: int | None = None
    drift: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unlike: frozenset[str | int] = frozenset()
    text: str = ""
    files: tuple[str, ...] = ()


class Writer:
    """Writes to one Redmine. Safe to share among threads."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client = client
        self._directory = directory
        self.look = Look(client, directory.people)
        self.trial = Trial(client)

    def upload(self, attachment: Attachment, as_login: str | None = None) -> Upload | LeftOut:
        """Given an attachment, send it in pieces. Return its token, or why Redmine does not take it.

        Sending it twice does no harm (Redmine prunes what no issue takes), so an unknown result is an outage; only a
        plain 500, which may be this file's own, stays `RedmineUnclear`.
        """
        if attachment.size == 0:
            return LeftOut(attachment.name, "an empty file")
        name = short_name(attachment.name)
        try:
            token = self._send(attachment, name, as_login)
        except RedmineUnclear as error:
            if not error.settle:
                raise
            raise error.again() from None
        except RedmineRefused as error:
            if error.status == 403 and as_login is not None:
                return self.upload(attachment)
            if error.status in (403, 404, 406):
                raise
            return LeftOut(attachment.name, "; ".join(error.messages) or "larger than Redmine, or a proxy, takes")
        return Upload(token, name, attachment.content_type)

    def _send(self, attachment: Attachment, name: str, as_login: str | None) -> str:
        params = [("filename", name), ("content_type", attachment.content_type)]
        with effect(Effect.UPLOAD):
            answer = self._client.upload(params, Sized(attachment.chunks, attachment.size), as_login=as_login)
        try:
            return str(answer["upload"]["token"])
        except (KeyError, TypeError):
            raise RedmineUnavailable("/uploads.json: no token in the answer") from None

    def create_issue(self, request: IssueRequest) -> Written:
        """Given a request whose intent is recorded, make the issue. Return it with what Redmine did not take.

        One HTTP request. A token of an upload that is used up is a refusal (422) like any other, in words that are
        translated: whoever sent it before knows what it means.
        """
        with effect(Effect.CREATE_ISSUE):
            answer = self._client.post(
                "/issues.json", request.body(), [("include", "attachments")], as_login=request.as_login
            )
        found = answer.get("issue")
        if not isinstance(found, dict) or "id" not in found:
            raise RedmineUnclear("POST /issues.json: success without an issue in the answer", settle=False)
        if (made := utc(found.get("created_on"))) is not None:
            self._client.note_time(made)
        return self._written(request, found)

    def adopt_issue(self, request: IssueRequest, number: int) -> Written:
        """Given a request and the issue that a look found for it, return it with what Redmine did not take."""
        return self._written(request, self.look.issue(number))

    def _written(self, request: IssueRequest, found: Mapping[str, Any]) -> Written:
        missing = missing_files(request, found)
        author = request.author_id or self._own_id(request)
        changed = issue_drift(request.attributes, found)
        drift = (
            *map(str, author_drift(author, request.as_login, found.get("author", {}))),
            *map(str, changed),
            *_files_drift(request, missing),
        )  # fmt: skip
        # once people have worked on it, what is not as asked may be their doing, and stays
        dropped = () if found.get("journals") else _amendable(changed)
        text = missing_text(str(request.attributes.get("description", "")), as_made(found).get("description"))
        return Written(
            int(found["id"]), None, drift, dropped, _unlike(changed) - changed_since(found, 0), text, missing
        )

    def prepare_note(self, request: NoteRequest) -> tuple[NoteRequest, tuple[str, ...]]:
        """Given a note, before its intent is recorded, make sure that a private one will be private.

        Redmine makes it public, with 204, for a user that may not write private notes. Then it is written as the
        key's own user, if that one may. Return the request and what was changed. Raise `RedmineRefused` if neither
        may.
        """
        if not request.private or self._may_be_private(request):
            return request, ()
        own = replace(request, as_login=None, author_id=None)
        if request.as_login is not None and self._may_be_private(own):
            return own, (f"{request.as_login} may not write private notes here: written by the bridge's own user",)
        raise RedmineRefused(
            f"#{request.issue}: a private note cannot be written, it would become public: neither "
            f'{request.as_login or "the bridge"} nor the bridge\'s own user has the permission "Set notes as private"',
            status=403,
        )

    def add_note(self, request: NoteRequest) -> None:
        """Given a note whose intent is recorded, write it. Redmine answers 204 whatever it took: `confirm_note`."""
        with effect(Effect.ADD_NOTE):
            self._client.put(f"/issues/{request.issue}.json", request.body(), as_login=request.as_login)

    def confirm_note(
        self, requests: Sequence[NoteRequest], after: int, claimed: Container[int] = (), *, taken: bool = True
    ) -> Written:  # fmt: skip
        """Given the forms in which a note was sent, the newest first, and the newest journal before, read it back; a
        private one that is public is mended.

        One request more. A note that is not there at all is drift with `journal` None. `taken`: Redmine said that it
        took the request, so its note is there unless its writer may add none.
        """
        request = requests[0]
        issue = self.look.issue(request.issue)
        found = self.look.journal(issue, requests, after, claimed, taken=taken)
        if found is None:
            changed = issue_drift(_changes(request), issue)
            drift = tuple(map(str, changed))
            if request.notes.strip() or request.uploads:
                drift = (f"Redmine took no note on #{request.issue}: the writer may not add one", *drift)
            return Written(request.issue, None, drift, _amendable(changed), _unlike(changed))
        request, journal = found
        number = int(journal["id"])
        changed = issue_drift(_changes(request), issue)
        author, files = request.author_id or self._own_id(request), missing_files(request, issue)
        drift = (
            *map(str, author_drift(author, request.as_login, journal["user"])),
            *(() if same_text(request.notes, journal.get("notes")) else ("the note is not as it was sent",)),
            *_files_drift(request, files),
            *map(str, changed),
        )
        if request.private and not journal.get("private_notes"):
            drift = (*self._hide(request, number), *drift)
        # once people have gone on after it, what is not as asked may be their doing, and stays
        dropped = _amendable(changed) if newest_of(issue) == number else ()
        text = "" if journal.get("updated_by") else missing_text(request.notes, journal.get("notes"))
        return Written(
            request.issue, number, drift, dropped, _unlike(changed) - changed_since(issue, number), text, files
        )

    def amend(self, request: IssueRequest | NoteRequest, written: Written) -> Written:
        """Given what was written and what of it was dropped, set that as the key's own user. Return what is there now.

        A customer may answer a closed issue and yet not reopen it; the mailbox's settings say that it reopens.
        Twice is once, so nothing is unclear. Two requests; none when nothing was dropped.
        """
        asked = {name: request.attributes[name] for name in written.dropped}
        if not asked:
            return written
        try:
            with effect(Effect.ADD_NOTE):
                self._client.put(f"/issues/{written.issue}.json", {"issue": asked})
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            return replace(written, drift=(*written.drift, f"not set by the bridge's own user either: {error}"))
        still = issue_drift(asked, self.look.issue(written.issue))
        done = [name for name in written.dropped if name not in _amendable(still)]
        lines = (f"set by the bridge's own user: {', '.join(done)}",) if done else ()
        unlike = (written.unlike - _names(asked)) | _unlike(still)
        return replace(written, drift=(*written.drift, *lines), dropped=_amendable(still), unlike=unlike)

    def add_watcher(self, issue: int, user_id: int) -> str | None:
        """Given an issue and a user, let it watch. Return why not, or None. Twice is once, so nothing is unclear.

        Redmine takes a user that is locked or may not see the issue with success, and ignores it.
        """
        try:
            with effect(Effect.ADD_WATCHER):
                self._client.post(f"/issues/{issue}/watchers.json", {"user_id": user_id})
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            return f"user {user_id} does not watch #{issue}: {error}"
        return None

    def add_relation(self, issue: int, other: int) -> str:
        """Given two issues, relate them, as the key's own user. Return a line that says so, or why they are not.

        Twice is once: Redmine refuses a relation that is there (422), and is asked whether it was that.
        """
        body = {"relation": {"issue_to_id": other, "relation_type": "relates"}}
        try:
            with effect(Effect.ADD_RELATION):
                self._client.post(f"/issues/{issue}/relations.json", body)
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            if not self._related(issue, other):
                return f"#{issue} is not linked with #{other}: {error}"
        return f"#{issue} is linked with #{other}"

    def _related(self, issue: int, other: int) -> bool:
        try:
            found = self._client.get(f"/issues/{issue}/relations.json").get("relations", ())
        except RedmineRefused:
            return False
        return any(other in (one.get("issue_id"), one.get("issue_to_id")) for one in found)

    def _hide(self, request: NoteRequest, journal: int) -> tuple[str, ...]:
        """Make a note private that should have been. Until then it was public: that is said, whatever comes of it."""
        said = f"PRIVATE NOTE BECAME PUBLIC on #{request.issue} (journal {journal})"
        try:
            with effect(Effect.ADD_NOTE):
                self._client.put(
                    f"/journals/{journal}.json", {"journal": {"notes": request.notes, "private_notes": True}}
                )
        except RedmineRefused as error:
            return (f"{said} and could not be made private: {error}",)
        after = self.look.issue(request.issue)
        now = next((j for j in after.get("journals", ()) if int(j["id"]) == journal), None)
        if now is not None and not now.get("private_notes"):
            return (f"{said} and could not be made private: make it private by hand",)
        return (f"{said} for a moment; it is private now",)

    def _may_be_private(self, request: NoteRequest) -> bool:
        people = self._directory.people
        if request.as_login is None:
            person = people.me()
        elif request.author_id is not None and (found := people.by_id(request.author_id)) is not None:
            person = found
        else:
            return False
        project = self._directory.project(str(request.project_id))
        return project is not None and self._directory.may(person.rights, "set_notes_private", project)

    def _own_id(self, request: IssueRequest | NoteRequest) -> int | None:
        if request.as_login is not None:
            return None
        return request.own_id or self._directory.people.me().user.id


def _amendable(changed: Iterable[Drift]) -> tuple[str, ...]:
    """The attributes that another user may set afterwards; a text that people may have edited is left alone."""
    return tuple(dict.fromkeys(d.attribute for d in changed if d.attribute not in (*TEXTS, "project_id")))


def changed_since(issue: Mapping[str, Any], after: int) -> frozenset[str | int]:
    """The attributes, and custom fields by their ids, that somebody has changed since an entry of its history."""
    later = [one for entry in issue.get("journals", ()) if int(entry["id"]) > after for one in entry.get("details", ())]
    fields = {int(one["name"]) for one in later if one.get("property") == "cf"}
    return frozenset({str(one.get("name")) for one in later if one.get("property") == "attr"} | fields)


def _unlike(changed: Iterable[Drift]) -> frozenset[str | int]:
    return frozenset(one.field or one.attribute for one in changed)


def _names(asked: Mapping[str, Any]) -> frozenset[str | int]:
    return frozenset(asked) | {int(one["id"]) for one in asked.get("custom_fields", ())}


def _changes(request: NoteRequest) -> dict[str, Any]:
    return {name: value for name, value in request.attributes.items() if name not in ("notes", "private_notes")}


def _files_drift(request: IssueRequest | NoteRequest, missing: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{len(missing)} of {len(request.uploads)} files are not there",) if missing else ()


def short_name(name: str) -> str:
    """Given a file name, return it on one line in at most 255 characters, its extension kept."""
    name = clean_line(name) or "file"
    if len(name) <= FILENAME_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        return name[:FILENAME_LENGTH]
    return stem[: FILENAME_LENGTH - len(extension) - 1] + dot + extension
