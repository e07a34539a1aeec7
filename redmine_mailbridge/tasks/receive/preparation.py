"""Makes the request that carries out a plan: its user and its author first, then its files and its size.

    the user and its groups are made → who writes it → files uploaded → the request, made to fit

Nothing of the mail is in Redmine yet: whatever fails here may be tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.model.plan import Action, Plan, Project
from redmine_mailbridge.policy.issue_text import named
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload, issue_request, note_request
from redmine_mailbridge.redmine.write_intent import Word, words_of
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.tasks.receive.private_issue import kept_private
from redmine_mailbridge.tasks.receive.uploads import Files, Fitted


@dataclass(frozen=True, slots=True)
class Authored:
    """A plan of which it is known who writes it. `author_id` is the user that it acts as (None: the key's own),
    `own_id` the key's own user. `lines` are for the mail's record.
    """

    plan: Plan
    project: Project
    author_id: int | None
    own_id: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to be sent, with the plan as it came to be carried out. `words` are the keyword lines
    that the request sets something by; `lines` are for the mail's record.
    """

    plan: Plan
    request: IssueRequest | NoteRequest
    fitted: Fitted
    words: tuple[Word, ...]
    lines: tuple[str, ...]


class Preparation:
    """Prepares requests. `marker_field` and `text_format` are as in `Rules`. Safe to share among threads."""

    def __init__(
        self,
        writer: Writer,
        directory: Directory,
        groups: Groups,
        files: Files,
        *,
        marker_field: str | None,
        text_format: TextFormat,
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._groups = groups
        self._files = files
        self._marker_field = marker_field
        self._format: TextFormat = text_format

    def authored(self, plan: Plan, project: Project, message: Message) -> Authored:
        """Given a plan, its project and its mail, make the plan's user, and find out who writes. Raise UnknownLogin,
        SettingsUnfit or RedmineRefused where nobody may, RedmineError.
        """
        plan, lines = self._with_user(plan)
        lines = [*plan.steps, *lines]
        author, own = self._author(plan, message), self._directory.people.me().user.id
        plan, author, changed = kept_private(plan, project, self._directory, author, self._format)
        plan = replace(plan, marker=plan.marker or message.message_id)
        return Authored(plan, project, author, own, (*lines, *changed))

    def fitted(self, authored: Authored) -> Prepared:
        """Given a plan and its author, upload its files and make its request fit. Raise RedmineRefused where part of
        the mail would have no place in Redmine, RedmineError.
        """
        project = authored.project
        plan, uploads, not_attached = self._files.uploaded(authored.plan)
        may_note = self._directory.may(self._directory.people.me().rights, "add_issue_notes", project)
        words = words_of(plan, project)
        if words and not may_note:  # where they set nothing, no note could tell
            plan, words = _with_lines(plan, words), ()
        authored = replace(authored, plan=plan, lines=(*authored.lines, *not_attached))
        if plan.action is Action.CREATE:
            prepared = self._issue(authored, uploads, words, may_note=may_note)
        else:
            prepared = self._note(authored, uploads, words)
        if prepared.fitted.rest and not may_note:
            raise _no_place("all of its text", project, prepared.fitted.refused)
        return prepared

    def _issue(
        self, authored: Authored, uploads: tuple[Upload, ...], words: tuple[Word, ...], *, may_note: bool
    ) -> Prepared:
        """Given a plan of a new issue, make its request fit. Its text goes along as a file where its tracker takes no
        description, and no note of ours could hold it. Raise RedmineRefused where that cannot be either.
        """
        plan, project, field = authored.plan, authored.project, self._marker_field
        marker = project.custom_fields.get(field.lower()) if field else None
        request = issue_request(
            plan, project, uploads, author_id=authored.author_id, marker_field=marker, own_id=authored.own_id
        )
        tracker = request.attributes.get("tracker_id") or next(iter(project.trackers.values()), 0)
        request, fitted = self._files.fitted(request, plan)
        elsewhere = may_note or fitted.in_file or fitted.rest
        if not elsewhere and not self._directory.takes(int(tracker), "description"):
            request, text = self._files.with_text(request, plan)
            if text.refused:
                name = next((name for name, number in project.trackers.items() if number == tracker), str(tracker))
                raise _no_place(f'its text: the tracker "{name}" has no description', project, text.refused)
            fitted = replace(fitted, in_file=True, lines=(*fitted.lines, *text.lines))
        return Prepared(plan, request, fitted, words, (*authored.lines, *fitted.lines))

    def _note(self, authored: Authored, uploads: tuple[Upload, ...], words: tuple[Word, ...]) -> Prepared:
        """Given a plan of a note, make its request fit. A note that its author may not write is the key's own, and
        says whose it is.
        """
        plan = authored.plan
        whole = note_request(plan, authored.project, uploads, author_id=authored.author_id, own_id=authored.own_id)
        note, changed = self._writer.prepare_note(whole)
        if plan.act_as is not None and note.as_login is None:
            who = named(plan.requester, (), None, self._format)
            note = replace(note, attributes={**note.attributes, "notes": f"{who}\n\n{note.notes}".strip()})
        note, fitted = self._files.fitted(note, plan)
        return Prepared(plan, note, fitted, words, (*authored.lines, *changed, *fitted.lines))

    def _with_user(self, plan: Plan) -> tuple[Plan, list[str]]:
        """Given a plan, make its user and let the sender's user join its groups. Return it with the user's login."""
        people, lines = self._directory.people, []
        user = people.by_address(plan.requester.key) if plan.groups and plan.new_user is None else None
        if (new := plan.new_user) is not None:
            user = people.create(new)
            lines.append(f"user {user.login} made for {new.mail}")
            act_as = user.login if plan.act_as == new.login else plan.act_as
            plan = replace(plan, act_as=act_as, new_user=replace(new, login=user.login))
        if user is not None:
            lines += [f"user {user.login} {line}" for line in self._groups.join(user.id, plan.groups)]
        return plan, lines

    def _author(self, plan: Plan, message: Message) -> int | None:
        """The id of the user that the plan acts as, the sender's or any other; None for the bridge's own."""
        if plan.act_as is None:
            return None
        user = self._directory.people.by_address(message.sender.key)
        if user is None or user.login != plan.act_as:
            user = self._directory.people.by_login(plan.act_as)
        if user is None:  # what it wrote could not be told from what others write
            raise UnknownLogin(f"nobody is known any more by the login {plan.act_as} to act as")
        return user.id


def _with_lines(plan: Plan, words: Sequence[Word]) -> Plan:
    """Given a plan, return it with the keyword lines in its text."""
    lines = "\n".join(word.line for word in words)
    return replace(plan, text=f"{lines}\n\n{plan.text}")


def _no_place(what: str, project: Project, refused: str) -> RedmineRefused:
    """The refusal of a mail that has no place in Redmine, before anything is made."""
    return RedmineRefused(
        f"Redmine would not take {what}, in project {project.identifier}. It takes no file in its place ({refused}), "
        f"and the bridge's own user may add no notes there: give it the permission to, or allow files of type txt",
        status=403,
    )
