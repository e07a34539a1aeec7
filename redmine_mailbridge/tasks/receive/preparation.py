"""Prepares the request for a plan: the user and the author first, then the files and the size limits.

    create the user and join groups → determine the author → upload files → build a request that fits Redmine's limits

Nothing of the mail has been written to Redmine yet: whatever fails here can be retried.
"""

from collections.abc import Sequence
from dataclasses import replace

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.policy.issue_text import named
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload, issue_request, note_request
from redmine_mailbridge.redmine.write_intent import KeywordLine, words_of
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.tasks.receive.private_issue import kept_private
from redmine_mailbridge.tasks.receive.uploads import FileUploader, FittedRequest
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class AuthoredPlan:
    """A plan with its author. `author_id` is the user to act as (None: the key's user), `own_id` the key's user.
    `lines` are for the mail's history.
    """

    plan: Plan
    project: Project
    author_id: int | None
    own_id: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is ready to be sent, with the plan that it executes. `words` are the keyword lines that set
    attributes of the request; `lines` are for the mail's history.
    """

    plan: Plan
    request: IssueRequest | NoteRequest
    fitted: FittedRequest
    words: tuple[KeywordLine, ...]
    lines: tuple[str, ...]


class RequestPreparation:
    """Prepares requests. `marker_field` and `text_format` are as in `WriteRules`. Safe to share among threads."""

    def __init__(
        self,
        writer: Writer,
        metadata: MetadataCache,
        groups: Groups,
        files: FileUploader,
        *,
        marker_field: str | None,
        text_format: TextFormat,
    ) -> None:
        self._writer = writer
        self._metadata = metadata
        self._groups = groups
        self._files = files
        self._marker_field = marker_field
        self._format: TextFormat = text_format

    def authored(self, plan: Plan, project: Project, message: Message) -> AuthoredPlan:
        """Given a plan, its project and its mail, create the plan's user and determine the author. Raise UnknownLogin,
        SettingsUnfit or RedmineRefused if no user may write, RedmineError.
        """
        plan, lines = self._with_user(plan)
        lines = [*plan.steps, *lines]
        author, own = self._author(plan, message), self._metadata.people.me().user.id
        plan, author, changed = kept_private(plan, project, self._metadata, author, self._format)
        plan = replace(plan, marker=plan.marker or message.message_id)
        return AuthoredPlan(plan, project, author, own, (*lines, *changed))

    def fitted(self, authored: AuthoredPlan) -> PreparedRequest:
        """Given a plan and its author, upload its files and fit its request to Redmine's limits. Raise RedmineRefused
        if part of the mail could not be stored in Redmine, RedmineError.
        """
        project = authored.project
        plan, uploads, not_attached = self._files.uploaded(authored.plan)
        may_note = self._metadata.may(self._metadata.people.me().rights, "add_issue_notes", project)
        keyword_lines = words_of(plan, project)
        if keyword_lines and not may_note:  # if they set nothing, no note could report it
            plan, keyword_lines = _with_lines(plan, keyword_lines), ()
        authored = replace(authored, plan=plan, lines=(*authored.lines, *not_attached))
        if plan.action is Action.CREATE:
            prepared = self._issue(authored, uploads, keyword_lines, may_note=may_note)
        else:
            prepared = self._note(authored, uploads, keyword_lines)
        if prepared.fitted.rest and not may_note:
            raise _no_place("all of its text", project, prepared.fitted.refused)
        return prepared

    def _issue(
        self, authored: AuthoredPlan, uploads: tuple[Upload, ...], words: tuple[KeywordLine, ...], *, may_note: bool
    ) -> PreparedRequest:
        """Given the plan of a new issue, fit its request to Redmine's limits. If the tracker has no description and the
        bridge's user may not add notes, the text is attached as a file. Raise RedmineRefused if that fails too.
        """
        plan, project, field = authored.plan, authored.project, self._marker_field
        marker = project.custom_fields.get(field.lower()) if field else None
        request = issue_request(
            plan, project, uploads, author_id=authored.author_id, marker_field=marker, own_id=authored.own_id
        )
        tracker = request.attributes.get("tracker_id") or next(iter(project.trackers.values()), 0)
        request, fitted = self._files.fitted(request, plan)
        elsewhere = may_note or fitted.in_file or fitted.rest
        if not elsewhere and not self._metadata.takes(int(tracker), "description"):
            request, text = self._files.with_text(request, plan)
            if text.refused:
                name = next((name for name, number in project.trackers.items() if number == tracker), str(tracker))
                raise _no_place(f'its text: the tracker "{name}" has no description', project, text.refused)
            fitted = replace(fitted, in_file=True, lines=(*fitted.lines, *text.lines))
        return PreparedRequest(plan, request, fitted, words, (*authored.lines, *fitted.lines))

    def _note(
        self, authored: AuthoredPlan, uploads: tuple[Upload, ...], words: tuple[KeywordLine, ...]
    ) -> PreparedRequest:
        """Given the plan of a note, fit its request to Redmine's limits. If its author may not write it, the key's user
        writes it and names the author.
        """
        plan = authored.plan
        whole = note_request(plan, authored.project, uploads, author_id=authored.author_id, own_id=authored.own_id)
        note, changed = self._writer.prepare_note(whole)
        if plan.act_as is not None and note.as_login is None:
            who = named(plan.requester, (), None, self._format)
            note = replace(note, attributes={**note.attributes, "notes": f"{who}\n\n{note.notes}".strip()})
        note, fitted = self._files.fitted(note, plan)
        return PreparedRequest(plan, note, fitted, words, (*authored.lines, *changed, *fitted.lines))

    def _with_user(self, plan: Plan) -> tuple[Plan, list[str]]:
        """Given a plan, create its user and add the user to its groups. Return it with the user's login."""
        people, lines = self._metadata.people, []
        user = people.by_address(plan.requester.key) if plan.groups and plan.new_user is None else None
        if (new := plan.new_user) is not None:
            user = people.create(new)
            lines.append(f"user {user.login} created for {new.mail}")
            act_as = user.login if plan.act_as == new.login else plan.act_as
            plan = replace(plan, act_as=act_as, new_user=replace(new, login=user.login))
        if user is not None:
            lines += [f"user {user.login} {line}" for line in self._groups.join(user.id, plan.groups)]
        return plan, lines

    def _author(self, plan: Plan, message: Message) -> int | None:
        """The ID of the user that the plan acts as; None for the bridge's own."""
        if plan.act_as is None:
            return None
        user = self._metadata.people.by_address(message.sender.key)
        if user is None or user.login != plan.act_as:
            user = self._metadata.people.by_login(plan.act_as)
        if user is None:  # its writes could not be distinguished from those of others
            raise UnknownLogin(f"the user {plan.act_as} to act as no longer exists")
        return user.id


def _with_lines(plan: Plan, words: Sequence[KeywordLine]) -> Plan:
    """Given a plan, return it with the keyword lines restored in its text."""
    lines = "\n".join(word.line for word in words)
    return replace(plan, text=f"{lines}\n\n{plan.text}")


def _no_place(what: str, project: Project, refused: str) -> RedmineRefused:
    """The error for a mail that cannot be stored in Redmine, before anything is written."""
    return RedmineRefused(
        f"Redmine would not store {what}, in project {project.identifier}. A file instead is not accepted ({refused}), "
        f"and the bridge's own user may not add notes there: give it that permission, or allow files of type txt",
        status=403,
    )
