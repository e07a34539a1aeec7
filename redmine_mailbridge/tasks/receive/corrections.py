"""Corrections after a request that Redmine did not accept completely: attributes that are set after an issue was
created, and permissions that are recorded.

Each correction can be repeated: a crash in between does no harm.
"""

from dataclasses import replace

from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.verification import changed_since
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.redmine.writer import Writer, Written


def renewed(intent: WriteIntent, written: Written, writer: Writer, metadata: MetadataCache) -> Written:
    """Given what was written, set the attributes that differ because the ID of a name in the settings has changed, for
    example after a tracker was deleted and created again.
    """
    stale = {
        name: intent.names[name]
        for name in written.ignored_attributes
        if name in intent.names and name in intent.amendable
    }
    if not stale:
        return written
    metadata.forget_aged()
    project = metadata.project(str(intent.request.project_id))
    ids = metadata.numbers(project) if project is not None else {}
    current_ids = {name: ids.get(name, {}).get(value.lower()) for name, value in stale.items()}
    requested = intent.request.attributes
    renewed = {name: number for name, number in current_ids.items() if number not in {None, requested.get(name)}}
    if not renewed:
        return written
    request = replace(intent.request, attributes={**requested, **renewed})
    amended = writer.amend(request, replace(written, ignored_attributes=tuple(renewed)))
    line = f"set again because their IDs in Redmine have changed: {', '.join(renewed)}"
    return replace(amended, mismatches=(*amended.mismatches, line))


def with_category(intent: WriteIntent, written: Written, writer: Writer) -> tuple[WriteIntent, Written]:
    """Given a new issue, set the category with which Redmine refused to create it. Return the intent with the category.

    Redmine 5.0 assigns a new issue to the assignee of its category, even if this user can no longer be assigned issues,
    and then refuses the issue; it does so with new issues only. A user who may create the issue may also set this
    category, so the bridge's own user sets it afterwards if that was the reason. If the category itself is refused, it
    is not dropped here. A repeated call has no effect; a category that somebody has set after a crash is kept.
    """
    numbers = [request.attributes["category_id"] for request in intent.issues if "category_id" in request.attributes]
    if not isinstance(intent.request, IssueRequest) or "category_id" not in intent.left_out:
        return intent, written
    request = replace(intent.request, attributes={**intent.request.attributes, "category_id": numbers[0]})
    if writer.trial.refusal(request.attributes, intent.request.as_login) is None:
        return intent, written
    issue = writer.recovery.issue(written.issue)
    if "category_id" in changed_since(issue, 0):
        current = (issue.get("category") or {}).get("id")
        return (replace(intent, request=request) if current == numbers[0] else intent), written
    amended = writer.amend(request, replace(written, ignored_attributes=("category_id",)))
    return (intent if amended.ignored_attributes else replace(intent, request=request)), amended


def learn_dropped(intent: WriteIntent, metadata: MetadataCache) -> None:
    """Given an intent without a result in Redmine: if a note was dropped because its author may add notes to other
    trackers only, record that for the next decision, which another process may make.
    """
    request = intent.request
    if not intent.dropped or intent.creates or request.as_login is None or request.author_id is None:
        return
    project = metadata.project(str(request.project_id))
    if project is not None:
        metadata.deny(request.author_id, "add_issue_notes", project)
