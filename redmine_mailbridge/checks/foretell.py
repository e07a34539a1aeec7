"""Forecasts what Redmine will reject of a mailbox's new issues: tests what each place of its settings makes of a
message.

Reads what can be read. Only on request (`check --try-issues`) does it let Redmine itself report what it rejects,
including required fields, patterns and workflow, by requests that can never create an issue (redmine/trial.py): as the
bridge's own user, as the `ticket_user`, and as one member of each role that may add issues, in whose name an
administrator's key writes.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from redmine_mailbridge.checks.foretell_changes import changes_of, forbidden, notes_unknown
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.samples import Samples
from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.facts import FactRequest, Project
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN, Resolver
from redmine_mailbridge.policy.new_issue import ORDINARY
from redmine_mailbridge.policy.requested_fields import RequestedFields, filled_from_mail, requested_of_new
from redmine_mailbridge.policy.rules import MatchedRules
from redmine_mailbridge.policy.sender import Sender
from redmine_mailbridge.redmine.attributes import Tracker
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import issue_request
from redmine_mailbridge.redmine.trial import TrialRefusal, TrialWrites
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.rules import Rule
from redmine_mailbridge.util.dataclass import dataclass

TAKEN = "Redmine accepts them, as far as it can be tested"
UNTRIED = "no problem found in what Redmine shows; run `check --try-issues` to test whether it accepts them"
MOST_ROLES = 12
"""The number of roles of a project for which one member each is tried."""
CHANGE = (
    "Set it in the settings (issue.custom_fields, due_in, assignee, category …) to a value that Redmine accepts, or "
    "change in Redmine what the field, or the workflow of the tracker, requires"
)
STANDARD = ("assigned_to_id", "category_id", "fixed_version_id", "parent_issue_id", "start_date", "due_date")
"""What the settings may ask for and a tracker may lack; after Redmine 5.0 a priority too."""
ASSIGNABLE = (
    "Issues can be assigned to a group only if Redmine allows it (Administration, Settings, Issue tracking: Allow "
    'issue assignment to groups), to a user only with a role that issues can be assigned to. Change that, or "assignee"'
)
SAMPLE = "From: Sample Sender <sample@{}>\nTo: {}\nSubject: A sample\nMessage-ID: <sample@{}>\nDate: {}\n\nA sample.\n"


@dataclass(frozen=True, slots=True)
class SettingsPlace:
    """A place of the settings that may apply to a message: `where` as an admin knows it, "" for the mailbox itself; a
    rule, or the domain of a sender.
    """

    where: str = ""
    project: str | None = None
    rule: Rule | None = None
    domain: str = "elsewhere.example"


class RefusalForecast:
    """Tests the places of one mailbox's settings."""

    def __init__(
        self, name: str, box: MailboxSettings, client: Client, metadata: MetadataCache, samples: Samples,
        *, marker: str | None, trial: TrialWrites | None = None,
    ) -> None:  # fmt: skip
        self._here = f"mailbox {name}"
        self._box = box
        self._client = client
        self._metadata = metadata
        self._marker = marker
        self._trial = trial
        self._facts = FactFinder(client, metadata)
        self._samples = samples

    def checks(self) -> Iterator[Check]:
        """Yield a line for each place that creates issues, and for what replies change there. Raise RedmineError when
        Redmine cannot be queried.
        """
        reported: set[tuple[str, str]] = set()
        for place in self._places():
            project = self._metadata.project(place.project) if place.project else None
            if project is None or not (project.active and project.issue_tracking):
                continue  # reported already
            title = f"{self._here}: {place.where}new issues in {project.identifier}"
            results = list(self._place(title, place, project))
            makes = not (place.where or self._box.issue.reply_only)
            if makes and not any(check.ok is False for check in results):
                results.append(Check(title, True, UNTRIED if self._trial is None else TAKEN))
            for check in results:
                if (project.identifier, check.words) not in reported:
                    reported.add((project.identifier, check.words))
                    yield check

    def _places(self) -> Iterator[SettingsPlace]:
        issue = self._box.issue
        yield SettingsPlace("", issue.project)
        for rule in self._box.rules:
            if rule.action is None:
                yield SettingsPlace(f'rule "{rule.name}": ', rule.project or issue.project, rule)
        for domain, domain_settings in self._box.senders.domains.items():
            sample = domain.removeprefix("@").replace("*.", "sample.")
            yield SettingsPlace(f"senders.domains.{domain}: ", domain_settings.project or issue.project, None, sample)

    def _place(self, title: str, place: SettingsPlace, project: Project) -> Iterator[Check]:
        message = self._sample(place)
        matched = MatchedRules((place.rule,) if place.rule is not None else ())
        requested = requested_of_new(message, Sender(message.sender), self._box.route, matched, {})
        whole = self._attributes(requested, message, project)
        tracker = self._tracker(whole, project)
        if tracker is None:
            yield Check(title, False, f"project {project.identifier} has no tracker: give it one (Settings, Issues)")
            return
        yield from self._replies(place, project, tracker)
        if self._box.issue.reply_only:
            return
        yield from self._dropped(title, whole, tracker, project)
        own = filter(None, (self._box.issue.last_answer_field,))
        yield from self._unseen(title, (*requested.custom, *own), tracker, project)
        if (trial := self._trial) is None:
            return
        of_mail = filled_from_mail((self._box.issue, *matched.rules)) & requested.custom.keys()
        requested.custom = {name: value for name, value in requested.custom.items() if name not in of_mail}
        sure = self._attributes(requested, message, project) if of_mail else whole
        for who, login in self._writers(project):
            try:
                refusal = trial.refusal(whole, login)
                without = trial.refusal(sure, login) if refusal is not None and of_mail else refusal
                assigned = _unassignable(trial, refusal, whole, login)
            except RedmineUnavailable as error:
                yield Check(title, None, f"{who}: cannot be tested: {error}")
                continue
            if assigned:
                name = requested.values.get("assigned_to", "")
                words = f'{who}: Redmine does not assign new issues to "{name}": {"; ".join(assigned)}'
                yield Check(title, False, f"{words}. They are created without an assignee. {ASSIGNABLE}")
            yield from _rejections(title, who, refusal, without, assigned)

    def _replies(self, place: SettingsPlace, project: Project, tracker: Tracker) -> Iterator[Check]:
        """What replies to issues of this tracker cannot do."""
        title = f"{self._here}: {place.where}replies in {project.identifier}"
        changes = changes_of(self._box.issue, self._metadata.statuses())
        yield from forbidden(title, project, tracker, changes, samples=self._samples, metadata=self._metadata)
        yield from notes_unknown(title, project, tracker, self._samples, self._metadata)

    def _unseen(self, title: str, names: Iterable[str], tracker: Tracker, project: Project) -> Iterator[Check]:
        """A custom field that the bridge's own user does not see, or that is disabled for the tracker, is dropped
        silently. An administrator sees all and lists them with their trackers (names.py); for another key, existing
        issues show them.
        """
        by_number = {number: name for name in names if (number := project.custom_fields.get(name.lower())) is not None}
        if not by_number or self._metadata.can_impersonate:
            return
        shown = self._samples.fields(project, tracker.id)
        for number, name in by_number.items():
            field = f'the custom field "{name}" for issues of the tracker {tracker.name}'
            if shown is None:
                words = (
                    f"whether the bridge's user may see and set {field} is known once the first one exists: check again"
                )
                yield Check(title, None, f"{words} then. If not, Redmine drops it silently")
            elif number not in shown:
                words = f"the bridge's user does not see {field}: Redmine drops it silently"
                yield Check(
                    title, False, f"{words}. Enable it for this tracker and make it visible to a role of that user "
                    "(Administration, Custom fields), or remove it from the settings (custom_fields, requester_field, "
                    "last_answer_field)"
                )  # fmt: skip

    def _attributes(self, requested: RequestedFields, message: Message, project: Project) -> Mapping[str, Any]:
        """What is sent for a message."""
        assignee = requested.values.get("assigned_to", "")
        turn = assignee.lower().startswith(ROUND_ROBIN)
        needs = FactRequest(
            sender="",
            projects=(project.identifier,),
            addresses=(assignee.lower(),) if "@" in assignee else (),
            groups=(assignee[len(ROUND_ROBIN) :].strip().lower(),) if turn else (),
        )
        facts = self._facts.gather(needs)
        fields = Resolver(project, facts, Trace(), ("en",)).fields(requested, "")
        plan = Plan(
            Action.CREATE, "", project=project.identifier, fields=fields, text=ORDINARY, marker=message.message_id
        )
        marker = project.custom_fields.get((self._marker or "").lower())
        return issue_request(plan, project, marker_field=marker).attributes

    def _sample(self, place: SettingsPlace) -> Message:
        now = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        return parse(SAMPLE.format(place.domain, self._box.address, place.domain, now).encode())

    def _tracker(self, attributes: Mapping[str, Any], project: Project) -> Tracker | None:
        """The tracker that new issues with these attributes get, as Redmine lists it."""
        number = attributes.get("tracker_id") or next(iter(project.trackers.values()), None)
        return self._metadata.trackers().get(number) if isinstance(number, int) else None

    def _dropped(
        self, title: str, attributes: Mapping[str, Any], tracker: Tracker, project: Project
    ) -> Iterator[Check]:
        """What a tracker lacks is dropped silently, and so is a status that the workflow does not start with."""
        sent = {*attributes, *(("priority_id",) if self._box.issue.priority_by_importance else ())}
        for name in (*STANDARD, *(("priority_id",) if self._metadata.is_newer_than_5_0() else ())):
            if name in sent and not self._metadata.takes(tracker.id, name):
                words = f"the tracker {tracker.name} has no field {name.removesuffix('_id')}: Redmine drops it"
                yield Check(title, False, f"{words}. Remove it from the settings, or enable the field for the tracker")
        if not self._metadata.takes(tracker.id, "description"):
            me = self._metadata.people.me().rights
            may = self._metadata.may(me, "add_issue_notes", project)
            outcome = (
                "is written as a note on its issue"
                if may
                else "is attached as a file if Redmine accepts .txt, else the message waits"
            )
            words = f"the tracker {tracker.name} has no field description: the text of a message {outcome}"
            how = "Enable Description for this tracker (Administration, Trackers), or set another one (issue.tracker)"
            yield Check(title, None, f"{words}. {how}")
        status = attributes.get("status_id")
        if status is not None and status != tracker.default_status:
            words = "whether the workflow lets a new issue start with the configured status is known with the first"
            yield Check(
                title,
                None,
                f"{words} message: if not, Redmine sets the default status, and the message's history says so",
            )

    def _writers(self, project: Project) -> Iterator[tuple[str, str | None]]:
        """The users as whom issues are created: in words, and the login (None: the bridge's own user)."""
        yield "as the bridge's own user", None
        if not self._metadata.can_impersonate:
            return
        people = self._metadata.people
        ticket_user = self._box.senders.ticket_user
        user = people.by_login(ticket_user) if ticket_user else None
        if user is not None and user.status == "active":
            yield f"as the ticket_user {user.login}", user.login
        seen: set[int] = set()
        pages = self._client.pages(f"/projects/{project.identifier}/memberships.json", "memberships")
        for membership in pages:
            roles = {int(role["id"]) for role in membership.get("roles", ())} - seen
            if not roles or "user" not in membership:
                continue
            person = people.by_id(int(membership["user"]["id"]))
            names = [
                people.role(role_id).name
                for role_id in sorted(roles)
                if "add_issues" in people.role(role_id).permissions
            ]
            if person is None or person.user.status != "active" or person.user.admin:
                continue
            seen |= roles
            if names:
                yield f"as members with the role {', '.join(names)} (tried as {person.user.login})", person.user.login
            if len(seen) >= MOST_ROLES:
                return


def _unassignable(
    trial: TrialWrites, refusal: TrialRefusal | None, whole: Mapping[str, Any], login: str | None
) -> tuple[str, ...]:
    """What Redmine rejects of new issues only because of the assignee."""
    if refusal is None or refusal.status != 422 or "assigned_to_id" not in whole:
        return ()
    free = {name: value for name, value in whole.items() if name != "assigned_to_id"}
    other = trial.refusal(free, login)
    return tuple(message for message in refusal.messages if other is None or message not in other.messages)


def _rejections(
    title: str, who: str, refusal: TrialRefusal | None, sure: TrialRefusal | None, reported: tuple[str, ...] = ()
) -> Iterator[Check]:
    """What was rejected: `sure` without the fields that a message's text fills; without what is `reported` already."""
    if refusal is None:
        return
    refusal = replace(refusal, messages=tuple(message for message in refusal.messages if message not in reported))
    certain = refusal.shared(sure.messages) if sure is not None else ()
    if certain:
        change = CHANGE if refusal.status == 422 else "Give that user a role there that may add issues"
        yield Check(title, False, f"{who}: Redmine rejects them: {'; '.join(certain)}. {change}")
    unsure = [message for message in refusal.messages if message not in certain]
    if unsure:
        words = f"{who}: Redmine rejects the text of a sample message: {'; '.join(unsure)}"
        yield Check(title, None, f"{words}. A message whose text does not fit is rejected")
