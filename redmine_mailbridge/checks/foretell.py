"""Foretells what Redmine will refuse of a mailbox's new issues: tries what each place of its settings makes of a mail.

Each try is a request that can never make an issue (redmine/trial.py), so that Redmine itself says what it refuses,
required fields, patterns and workflow included: of the bridge's own user, of the `ticket_user`, and of one member of
each role that may add issues, as whom an administrator's key writes.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from redmine_mailbridge.checks.foretell_changes import changes_of, forbidden, notes_unknown
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Needs, Plan, Project
from redmine_mailbridge.model.trace import Steps
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN, Resolver, Wanted, filled_from_mail, wanted_of_new
from redmine_mailbridge.policy.rules import Matched
from redmine_mailbridge.policy.sender import Sender
from redmine_mailbridge.policy.settings_alone import ORDINARY
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.metadata import Directory, Tracker
from redmine_mailbridge.redmine.requests import issue_request
from redmine_mailbridge.redmine.trial import Refusal, Trial
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.rules import Rule

MOST_ROLES = 12
"""Of how many roles of a project a member is tried."""
CHANGE = (
    "Fill it by the settings (issue.custom_fields, due_in, assignee, category …), with a value that Redmine takes, or "
    "change in Redmine what the field, or the workflow of the tracker, demands"
)
STANDARD = ("assigned_to_id", "category_id", "fixed_version_id", "parent_issue_id", "start_date", "due_date")
"""What the settings may ask for and a tracker may not have; in later Redmines than 5.0 a priority too."""
ASSIGNABLE = (
    "A group gets issues only where Redmine allows that (Administration, Settings, Issue tracking: Allow issue "
    'assignment to groups), a user by a role there that issues can be assigned to. Change that, or "assignee"'
)
SAMPLE = "From: Sample Sender <sample@{}>\nTo: {}\nSubject: A sample\nMessage-ID: <sample@{}>\nDate: {}\n\nA sample.\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the settings that mail may fall under: `where` as an admin knows it, "" the mailbox itself; a rule, or
    the domain of a sender.
    """

    where: str = ""
    project: str | None = None
    rule: Rule | None = None
    domain: str = "elsewhere.example"


class Foretelling:
    """Tries the places of one mailbox's settings."""

    def __init__(
        self, name: str, box: MailboxSettings, client: Client, directory: Directory, samples: Samples,
        *, marker: str | None,
    ) -> None:  # fmt: skip
        self._here = f"mailbox {name}"
        self._box = box
        self._client = client
        self._directory = directory
        self._marker = marker
        self._trial = Trial(client)
        self._facts = FactFinder(client, directory)
        self._samples = samples

    def checks(self) -> Iterator[Check]:
        """Yield a line for each place that makes issues, and for what replies change there. Raise RedmineError when
        Redmine cannot be asked.
        """
        told: set[tuple[str, str]] = set()
        for place in self._places():
            project = self._directory.project(place.project) if place.project else None
            if project is None or not (project.active and project.issue_tracking):
                continue  # which is said already
            title = f"{self._here}: {place.where}new issues in {project.identifier}"
            found = list(self._place(title, place, project))
            makes = not (place.where or self._box.issue.reply_only)
            if makes and not any(check.ok is False for check in found):
                found.append(Check(title, True, "Redmine takes them, as far as it tells beforehand"))
            for check in found:
                if (project.identifier, check.words) not in told:
                    told.add((project.identifier, check.words))
                    yield check

    def _places(self) -> Iterator[Place]:
        issue = self._box.issue
        yield Place("", issue.project)
        for rule in self._box.rules:
            if rule.action is None:
                yield Place(f'rule "{rule.name}": ', rule.project or issue.project, rule)
        for domain, one in self._box.senders.domains.items():
            sample = domain.removeprefix("@").replace("*.", "sample.")
            yield Place(f"senders.domains.{domain}: ", one.project or issue.project, None, sample)

    def _place(self, title: str, place: Place, project: Project) -> Iterator[Check]:
        message = self._sample(place)
        matched = Matched((place.rule,) if place.rule is not None else ())
        wanted = wanted_of_new(message, Sender(message.sender), self._box.route, matched, {})
        whole = self._attributes(wanted, message, project)
        tracker = self._tracker(whole, project)
        if tracker is None:
            yield Check(title, False, f"project {project.identifier} has no tracker: give it one (Settings, Issues)")
            return
        yield from self._replies(place, project, tracker)
        if self._box.issue.reply_only:
            return
        yield from self._dropped(title, whole, tracker, project)
        yield from self._unseen(title, wanted.custom, tracker, project)
        of_mail = filled_from_mail((self._box.issue, *matched.rules)) & wanted.custom.keys()
        wanted.custom = {name: value for name, value in wanted.custom.items() if name not in of_mail}
        sure = self._attributes(wanted, message, project) if of_mail else whole
        for who, login in self._writers(project):
            try:
                refusal = self._trial.refusal(whole, login)
                without = self._trial.refusal(sure, login) if refusal is not None and of_mail else refusal
                assigned = self._unassignable(refusal, whole, login)
            except RedmineUnavailable as error:
                yield Check(title, None, f"{who}: cannot be foretold: {error}")
                continue
            if assigned:
                name = wanted.values.get("assigned_to", "")
                words = f'{who}, Redmine does not assign new issues to "{name}": {"; ".join(assigned)}'
                yield Check(title, False, f"{words}. They are made without. {ASSIGNABLE}")
            yield from _told(title, who, refusal, without, assigned)

    def _replies(self, place: Place, project: Project, tracker: Tracker) -> Iterator[Check]:
        """What replies to issues of this tracker cannot do."""
        title = f"{self._here}: {place.where}replies in {project.identifier}"
        changes = changes_of(self._box.issue, self._directory.statuses())
        yield from forbidden(title, project, tracker, changes, samples=self._samples, directory=self._directory)
        yield from notes_unknown(title, project, tracker, self._samples, self._directory)

    def _unassignable(self, refusal: Refusal | None, whole: Mapping[str, Any], login: str | None) -> tuple[str, ...]:
        """What Redmine refuses of new issues for whom they are assigned to alone."""
        if refusal is None or refusal.status != 422 or "assigned_to_id" not in whole:
            return ()
        free = {name: value for name, value in whole.items() if name != "assigned_to_id"}
        other = self._trial.refusal(free, login)
        return tuple(one for one in refusal.messages if other is None or one not in other.messages)

    def _unseen(self, title: str, names: Iterable[str], tracker: Tracker, project: Project) -> Iterator[Check]:
        """A custom field that the bridge's own user does not see, or that is off for the tracker, is dropped in
        silence. An administrator sees each, and lists them with their trackers (names.py); for another key issues tell.
        """
        asked = {number: name for name in names if (number := project.custom_fields.get(name.lower())) is not None}
        if not asked or self._directory.can_impersonate:
            return
        shown = self._samples.fields(project, tracker.id)
        for number, name in asked.items():
            field = f'the custom field "{name}" for issues of the tracker {tracker.name}'
            if shown is None:
                words = f"whether the bridge's user may see and set {field} is known with the first one: check again"
                yield Check(title, None, f"{words} then. Where not, Redmine drops it in silence")
            elif number not in shown:
                words = f"the bridge's user does not see {field}: Redmine drops it in silence"
                yield Check(
                    title, False, f"{words}. Enable it for that tracker and make it visible to a role of that user "
                    "(Administration, Custom fields), or take it out of the settings (requester_field, custom_fields)"
                )  # fmt: skip

    def _attributes(self, wanted: Wanted, message: Message, project: Project) -> Mapping[str, Any]:
        """What is sent for a mail."""
        assignee = wanted.values.get("assigned_to", "")
        turn = assignee.lower().startswith(ROUND_ROBIN)
        needs = Needs(
            sender="",
            projects=(project.identifier,),
            addresses=(assignee.lower(),) if "@" in assignee else (),
            groups=(assignee[len(ROUND_ROBIN) :].strip().lower(),) if turn else (),
        )
        facts = self._facts.gather(needs)
        fields = Resolver(project, facts, Steps(), ("en",)).fields(wanted, "")
        plan = Plan(
            Action.CREATE, "", project=project.identifier, fields=fields, text=ORDINARY, marker=message.message_id
        )
        marker = project.custom_fields.get((self._marker or "").lower())
        return issue_request(plan, project, marker_field=marker).attributes

    def _sample(self, place: Place) -> Message:
        now = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        return parse(SAMPLE.format(place.domain, self._box.address, place.domain, now).encode())

    def _tracker(self, attributes: Mapping[str, Any], project: Project) -> Tracker | None:
        """The tracker that new issues with these attributes have, as Redmine lists it."""
        number = attributes.get("tracker_id") or next(iter(project.trackers.values()), None)
        return self._directory.trackers().get(number) if isinstance(number, int) else None

    def _dropped(
        self, title: str, attributes: Mapping[str, Any], tracker: Tracker, project: Project
    ) -> Iterator[Check]:
        """What a tracker does not have is dropped in silence, and a status that the workflow does not begin with."""
        asked = {*attributes, *(("priority_id",) if self._box.issue.priority_by_importance else ())}
        for name in (*STANDARD, *(("priority_id",) if self._directory.is_newer_than_5_0() else ())):
            if name in asked and not self._directory.takes(tracker.id, name):
                words = f"the tracker {tracker.name} has no field {name.removesuffix('_id')}: Redmine drops it"
                yield Check(title, False, f"{words}. Take it out of the settings, or enable the field of the tracker")
        if not self._directory.takes(tracker.id, "description"):
            me = self._directory.people.me().rights
            may = self._directory.may(me, "add_issue_notes", project)
            where = (
                "stands in a note on its issue" if may else "goes along as a file where Redmine takes .txt, or waits"
            )
            words = f"the tracker {tracker.name} has no field description: the text of a mail {where}"
            how = "Enable Description of that tracker (Administration, Trackers), or name another one (issue.tracker)"
            yield Check(title, None, f"{words}. {how}")
        status = attributes.get("status_id")
        if status is not None and status != tracker.default_status:
            words = "whether the workflow lets a new issue begin with the status of the settings is seen with the first"
            yield Check(
                title, None, f"{words} mail: where not, Redmine takes the default status, and the record says so"
            )

    def _writers(self, project: Project) -> Iterator[tuple[str, str | None]]:
        """As whom issues are written: in words, and the login (None: the bridge's own user)."""
        yield "as the bridge's own user", None
        if not self._directory.can_impersonate:
            return
        people = self._directory.people
        wanted = self._box.senders.ticket_user
        user = people.by_login(wanted) if wanted else None
        if user is not None and user.status == "active":
            yield f"as the ticket_user {user.login}", user.login
        seen: set[int] = set()
        pages = self._client.pages(f"/projects/{project.identifier}/memberships.json", "memberships")
        for membership in pages:
            roles = {int(role["id"]) for role in membership.get("roles", ())} - seen
            if not roles or "user" not in membership:
                continue
            person = people.by_id(int(membership["user"]["id"]))
            names = [people.role(one).name for one in sorted(roles) if "add_issues" in people.role(one).permissions]
            if person is None or person.user.status != "active" or person.user.admin:
                continue
            seen |= roles
            if names:
                yield f"as members with the role {', '.join(names)} (tried as {person.user.login})", person.user.login
            if len(seen) >= MOST_ROLES:
                return


def _told(
    title: str, who: str, refusal: Refusal | None, sure: Refusal | None, told: tuple[str, ...] = ()
) -> Iterator[Check]:
    """What was refused, `sure` without the fields that a mail's words fill; without what is `told` already."""
    if refusal is None:
        return
    refusal = replace(refusal, messages=tuple(one for one in refusal.messages if one not in told))
    certain = refusal.shared(sure.messages) if sure is not None else ()
    if certain:
        change = CHANGE if refusal.status == 422 else "Give that user a role there that may add issues"
        yield Check(title, False, f"{who}, Redmine refuses them: {'; '.join(certain)}. {change}")
    unsure = [one for one in refusal.messages if one not in certain]
    if unsure:
        words = f"{who}, Redmine refuses the words of a sample mail: {'; '.join(unsure)}"
        yield Check(title, None, f"{words}. A mail whose words do not fit is refused")
