"""A writer to a real Redmine with what belongs to it, for the tests of what is written and found again."""

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass, replace

from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.mail import Attachment, LeftOut
from redmine_mailbridge.model.plan import Action, IssueFields, Plan
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload, issue_request, note_request
from redmine_mailbridge.redmine.size_limits import text_file
from redmine_mailbridge.redmine.writer import Writer
from tests.servers.fixtures import Redmine

NO_FIELDS = IssueFields()


@dataclass(frozen=True)
class Bridge:
    """A writer with what belongs to it, for one project."""

    redmine: Redmine
    client: Client
    directory: MetadataCache
    writer: Writer
    project: Project

    def user(self, login: str) -> int:
        return int(self.redmine.seed["users"][login]["id"])

    def issue(self, subject: str = "Printer", text: str = "It smokes.\n\nHelp", *uploads: Upload,
              login: str | None = None, fields: IssueFields = NO_FIELDS, marker: str = "") -> IssueRequest:  # fmt: skip
        plan = Plan(
            Action.CREATE, "a test", act_as=login, text=text, marker=marker, fields=replace(fields, subject=subject)
        )
        author = self.user(login) if login else None
        field = self.redmine.seed["custom_fields"]["Mail ID"] if marker else None
        return issue_request(plan, self.project, uploads, author_id=author, marker_field=field)

    def note(self, issue: int, text: str = "Me too", *uploads: Upload, login: str | None = None,
             fields: IssueFields = NO_FIELDS, private: bool = False) -> NoteRequest:  # fmt: skip
        plan = Plan(Action.NOTE, "a test", issue=issue, act_as=login, text=text, fields=fields, private_note=private)
        return note_request(plan, self.project, uploads, author_id=self.user(login) if login else None)

    def newest(self) -> IssueMark:
        """An issue that every one comes after that is made from now on."""
        return self.writer.recovery.newest_issue()

    def find(self, request: IssueRequest, after: IssueMark, claimed: Container[int] = ()) -> int | None:
        """The number of the issue that a request made."""
        found = self.writer.recovery.find_issue([request], after, claimed)
        return None if found is None else found[1]

    def find_note(self, request: NoteRequest, after: int, claimed: Container[int] = ()) -> int | None:
        """The id of the journal that a note made."""
        found = self.writer.recovery.journal(self.writer.recovery.issue(request.issue), [request], after, claimed)
        return None if found is None else int(found[1]["id"])

    def upload(self, name: str = "a.txt", text: str = "hello", login: str | None = None) -> Upload:
        return self.upload_of(text_file(name, text), login)

    def upload_of(self, file: Attachment, login: str | None = None) -> Upload:
        sent = self.writer.upload(file, login)
        assert isinstance(sent, Upload)
        return sent

    def left_out(self, file: Attachment) -> LeftOut:
        sent = self.writer.upload(file)
        assert isinstance(sent, LeftOut)
        return sent


def bridge_at(url: str, redmine: Redmine, project: str, *, key: str = "", read_timeout: float = 20) -> Bridge:
    key = key or redmine.seed["admin"]["api_key"]
    client = Client(Connection(url, key, connect_timeout=5, read_timeout=read_timeout))
    directory = MetadataCache(client)
    found = directory.project(project)
    assert found is not None
    return Bridge(redmine, client, directory, Writer(client, directory), found)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
