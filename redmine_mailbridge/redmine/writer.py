"""The only writer of issues: small functions, each with its single HTTP write in one `side_effect`.

The caller stores an intent (the request as JSON) before each, and after `RedmineUnclear` calls `WriteRecovery` before
it writes again.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.model.mail import Attachment, LeftOut
from redmine_mailbridge.redmine.client import Client, SizedBody
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback, send_with_field
from redmine_mailbridge.redmine.recognise import as_made, missing_files, missing_text
from redmine_mailbridge.redmine.recovery import WriteRecovery, newest_of
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.redmine.text_cleaning import clean_line, same_text
from redmine_mailbridge.redmine.trial import TrialWrites
from redmine_mailbridge.redmine.verification import (
    amendable,
    author_mismatches,
    changed_since,
    changes_of,
    issue_mismatches,
    names_of,
    requested_names,
)
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.util.dataclass import dataclass

FILENAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Written:
    """The result in Redmine. `mismatches`: what Redmine silently ignored, one English line each.

    `ignored_attributes` names the issue's attributes that differ from the request, which the bridge's own user may be
    able to set (`Writer.amend`). `unlike` are all that differ, custom fields by their ids; `text` is what is missing of
    the description or note, `files` the names of missing files.
    """

    issue: int
    journal: int | None = None
    mismatches: tuple[str, ...] = ()
    ignored_attributes: tuple[str, ...] = ()
    unlike: frozenset[str | int] = frozenset()
    text: str = ""
    files: tuple[str, ...] = ()


class Writer:
    """Writes to one Redmine. Thread-safe."""

    def __init__(self, client: Client, metadata: MetadataCache, piggyback: Piggyback | None = None) -> None:
        self._client = client
        self._metadata = metadata
        self._piggyback = piggyback
        self.recovery = WriteRecovery(client, metadata.people)
        self.trial = TrialWrites(client)

    def upload(self, attachment: Attachment, as_login: str | None = None) -> Upload | LeftOut:
        """Given an attachment, upload it in pieces. Return its token, or why Redmine rejects it.

        Uploading it twice is harmless (Redmine prunes unused uploads), so an unknown result is an outage; only a
        plain 500, which this file may cause, stays `RedmineUnclear`.
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
            return LeftOut(attachment.name, "; ".join(error.messages) or "larger than Redmine, or a proxy, allows")
        return Upload(token, name, attachment.content_type)

    def _send(self, attachment: Attachment, name: str, as_login: str | None) -> str:
        params = [("filename", name), ("content_type", attachment.content_type)]
        with side_effect(SideEffect.UPLOAD):
            answer = self._client.upload(params, SizedBody(attachment.chunks, attachment.size), as_login=as_login)
        try:
            return str(answer["upload"]["token"])
        except (KeyError, TypeError):
            raise RedmineUnavailable("/uploads.json: no token in the response") from None

    def create_issue(self, request: IssueRequest) -> Written:
        """Given a request whose intent is stored, create the issue. Return it with what Redmine dropped.

        One HTTP request. A used upload token is rejected (422) like any other error, in translated
        words: the caller that sent it before knows what it means.
        """
        with side_effect(SideEffect.CREATE_ISSUE):
            answer = self._client.post(
                "/issues.json", request.body(), [("include", "attachments")], as_login=request.as_login
            )
        issue = answer.get("issue")
        if not isinstance(issue, dict) or "id" not in issue:
            raise RedmineUnclear("POST /issues.json: success without an issue in the response", settle=False)
        if (made := utc(issue.get("created_on"))) is not None:
            self._client.note_time(made)
        return self._written(request, issue)

    def adopt_issue(self, request: IssueRequest, number: int) -> Written:
        """Given a request and the issue that recovery found for it, return it with what Redmine dropped."""
        return self._written(request, self.recovery.issue(number))

    def _written(self, request: IssueRequest, issue: Mapping[str, Any]) -> Written:
        missing = missing_files(request, issue)
        author = request.author_id or self._own_id(request)
        changed = issue_mismatches(request.attributes, issue)
        mismatches = (
            *map(str, author_mismatches(author, request.as_login, issue.get("author", {}))),
            *map(str, changed),
            *_file_mismatches(request, missing),
        )  # fmt: skip
        # once users have changed it, differences may be theirs, and stay
        ignored = () if issue.get("journals") else amendable(changed)
        text = missing_text(str(request.attributes.get("description", "")), as_made(issue).get("description"))
        return Written(
            int(issue["id"]), None, mismatches, ignored, names_of(changed) - changed_since(issue, 0), text, missing
        )

    def prepare_note(self, request: NoteRequest) -> tuple[NoteRequest, tuple[str, ...]]:
        """Given a note, before its intent is stored, ensure that a private one will be private.

        Redmine makes it public, with 204, for a user without the permission. It is then written as the
        key's own user, if that user has it. Return the request and what was changed. Raise `RedmineRefused` if neither
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
        """Given a note whose intent is stored, write it, and a custom field that is due with it if the key's own user
        writes (`piggyback.py`). Redmine responds with 204 in any case: `confirm_note`.
        """
        send = partial(self._put_note, request)
        if self._piggyback is None or request.as_login is not None:
            send(request.body())
        else:
            send_with_field(self._piggyback, request.issue, request.body(), send)

    def _put_note(self, request: NoteRequest, body: Mapping[str, Any]) -> None:
        with side_effect(SideEffect.ADD_NOTE):
            self._client.put(f"/issues/{request.issue}.json", body, as_login=request.as_login)

    def write_due_field(self, issue: int) -> bool:
        """Given an issue, write the custom field that is due (`piggyback.py`) in a request of its own. Return whether
        one was. Twice is once, so nothing is unclear. Two requests; none if nothing is due. Raise MailbridgeError if it
        is not known what is due.
        """
        due = self._piggyback.due(issue, alone=True) if self._piggyback is not None else None
        if self._piggyback is None or due is None:
            return False
        try:
            with side_effect(SideEffect.WRITE_FIELD):
                self._client.put(f"/issues/{issue}.json", {"issue": {"custom_fields": [due]}})
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            self._piggyback.reject(issue, str(error))
            return False
        self._piggyback.confirm(issue, self.recovery.issue(issue))
        return True

    def confirm_note(
        self, requests: Sequence[NoteRequest], after: int, claimed: Container[int] = (), *, taken: bool = True
    ) -> Written:  # fmt: skip
        """Given the forms in which a note was sent, the newest first, and the newest journal before, read it back; a
        private one that is public is mended.

        One request more. A note that is not there at all is a mismatch with `journal` None. `taken`: Redmine said that
        it took the request, so its note is there unless its writer may add none.
        """
        request = requests[0]
        issue = self.recovery.issue(request.issue)
        match = self.recovery.journal(issue, requests, after, claimed, taken=taken)
        if self._piggyback is not None and request.as_login is None and (taken or match is not None):
            self._piggyback.confirm(request.issue, issue)
        if match is None:
            changed = issue_mismatches(changes_of(request), issue)
            mismatches = tuple(map(str, changed))
            if request.notes.strip() or request.uploads:
                mismatches = (f"Redmine took no note on #{request.issue}: the writer may not add one", *mismatches)
            return Written(request.issue, None, mismatches, amendable(changed), names_of(changed))
        request, journal = match
        number = int(journal["id"])
        changed = issue_mismatches(changes_of(request), issue)
        author, files = request.author_id or self._own_id(request), missing_files(request, issue)
        mismatches = (
            *map(str, author_mismatches(author, request.as_login, journal["user"])),
            *(() if same_text(request.notes, journal.get("notes")) else ("the note is not as it was sent",)),
            *_file_mismatches(request, files),
            *map(str, changed),
        )
        if request.private and not journal.get("private_notes"):
            mismatches = (*self._hide(request, number), *mismatches)
        # once people have gone on after it, what is not as asked may be their doing, and stays
        ignored = amendable(changed) if newest_of(issue) == number else ()
        text = "" if journal.get("updated_by") else missing_text(request.notes, journal.get("notes"))
        return Written(
            request.issue, number, mismatches, ignored, names_of(changed) - changed_since(issue, number), text, files
        )

    def amend(self, request: IssueRequest | NoteRequest, written: Written) -> Written:
        """Given what was written and what of it was dropped, set that as the key's own user. Return what is there now.

        A customer may answer a closed issue and yet not reopen it; the mailbox's settings say that it reopens.
        Twice is once, so nothing is unclear. Two requests; none when nothing was dropped.
        """
        asked = {name: request.attributes[name] for name in written.ignored_attributes}
        if not asked:
            return written
        try:
            with side_effect(SideEffect.ADD_NOTE):
                self._client.put(f"/issues/{written.issue}.json", {"issue": asked})
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            return replace(
                written, mismatches=(*written.mismatches, f"not set by the bridge's own user either: {error}")
            )
        still = issue_mismatches(asked, self.recovery.issue(written.issue))
        done = [name for name in written.ignored_attributes if name not in amendable(still)]
        lines = (f"set by the bridge's own user: {', '.join(done)}",) if done else ()
        unlike = (written.unlike - requested_names(asked)) | names_of(still)
        return replace(
            written, mismatches=(*written.mismatches, *lines), ignored_attributes=amendable(still), unlike=unlike
        )

    def add_watcher(self, issue: int, user_id: int) -> str | None:
        """Given an issue and a user, add the user as a watcher. Return why not, or None. Idempotent, so nothing is
        unclear.

        For a user that is locked or may not see the issue, Redmine responds with success, and ignores it.
        """
        try:
            with side_effect(SideEffect.ADD_WATCHER):
                self._client.post(f"/issues/{issue}/watchers.json", {"user_id": user_id})
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            return f"user {user_id} does not watch #{issue}: {error}"
        return None

    def add_relation(self, issue: int, other: int, kind: str = "relates") -> str:
        """Given two issues, relate them, as the key's own user. Return a line that says so, or why they are not.

        Idempotent: Redmine rejects an existing relation (422), and is queried whether that was the reason.
        """
        body = {"relation": {"issue_to_id": other, "relation_type": kind}}
        try:
            with side_effect(SideEffect.ADD_RELATION):
                self._client.post(f"/issues/{issue}/relations.json", body)
        except RedmineUnclear as error:
            raise error.again() from None
        except RedmineRefused as error:
            if not self._related(issue, other):
                return f"#{issue} is not linked with #{other}: {error}"
        return f"#{issue} is linked with #{other}"

    def _related(self, issue: int, other: int) -> bool:
        try:
            relations = self._client.get(f"/issues/{issue}/relations.json").get("relations", ())
        except RedmineRefused:
            return False
        return any(other in (relation.get("issue_id"), relation.get("issue_to_id")) for relation in relations)

    def _hide(self, request: NoteRequest, journal: int) -> tuple[str, ...]:
        """Make a note private that should have been. Until then it was public: that is reported, whatever the
        result."""
        report = f"PRIVATE NOTE BECAME PUBLIC on #{request.issue} (journal {journal})"
        why_public = self.make_private(request.issue, journal, notes=request.notes)
        result = f"and could not be made private: {why_public}" if why_public else "for a moment; it is private now"
        return (f"{report} {result}",)

    def make_private(self, issue: int, journal: int, *, notes: str | None = None) -> str:
        """Given a public note (with `notes`, its text is set too), make it private. Return why it is still public; ""
        if it is private, or gone. Idempotent. Raise RedmineUnavailable.
        """
        values: dict[str, Any] = {"private_notes": True} if notes is None else {"notes": notes, "private_notes": True}
        try:
            with side_effect(SideEffect.ADD_NOTE):
                self._client.put(f"/journals/{journal}.json", {"journal": values})
        except RedmineRefused as error:
            why_public = str(error)  # unless it was private before, or is gone
        else:
            why_public = "make it private manually"
        after = self._client.get_or_none(f"/issues/{issue}.json", [("include", "journals")])
        journals = after["issue"].get("journals", ()) if after is not None else ()
        now = next((j for j in journals if int(j["id"]) == journal), None)
        return why_public if now is not None and not now.get("private_notes") else ""

    def _may_be_private(self, request: NoteRequest) -> bool:
        people = self._metadata.people
        if request.as_login is None:
            person = people.me()
        elif request.author_id is not None and (author := people.by_id(request.author_id)) is not None:
            person = author
        else:
            return False
        project = self._metadata.project(str(request.project_id))
        return project is not None and self._metadata.may(person.rights, "set_notes_private", project)

    def _own_id(self, request: IssueRequest | NoteRequest) -> int | None:
        if request.as_login is not None:
            return None
        return request.own_id or self._metadata.people.me().user.id


def _file_mismatches(request: IssueRequest | NoteRequest, missing: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{len(missing)} of {len(request.uploads)} files are missing",) if missing else ()


def short_name(name: str) -> str:
    """Given a file name, return it on one line in at most 255 characters, its extension kept."""
    name = clean_line(name) or "file"
    if len(name) <= FILENAME_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        return name[:FILENAME_LENGTH]
    return stem[: FILENAME_LENGTH - len(extension) - 1] + dot + extension
