"""What follows a request that Redmine did not take as it was: what is set of an issue after it was made, and what is
learnt.

Each is a change that may be made twice: a crash in between does no harm.
"""

from dataclasses import replace

from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.redmine.writer import Writer, Written, changed_since


def renewed(job: Job, written: Written, writer: Writer, directory: Directory) -> Written:
    """Given what was written, set what is not as asked since the number behind a name of the settings has changed
    after it was asked for: a tracker that was made anew.
    """
    stale = {name: job.names[name] for name in written.dropped if name in job.names and name in job.amendable}
    if not stale:
        return written
    directory.forget_aged()
    project = directory.project(str(job.request.project_id))
    known = directory.numbers(project) if project is not None else {}
    now = {name: known.get(name, {}).get(value.lower()) for name, value in stale.items()}
    asked = job.request.attributes
    renewed = {name: number for name, number in now.items() if number not in {None, asked.get(name)}}
    if not renewed:
        return written
    request = replace(job.request, attributes={**asked, **renewed})
    amended = writer.amend(request, replace(written, dropped=tuple(renewed)))
    line = f"asked anew, as their numbers in Redmine have changed: {', '.join(renewed)}"
    return replace(amended, drift=(*amended.drift, line))


def with_category(job: Job, written: Written, writer: Writer) -> tuple[Job, Written]:
    """Given a new issue, set the category that Redmine refused to make it with. Return the job as if it had.

    Redmine 5.0 assigns a new issue to its category's own assignee, whether or not that one can be assigned issues any
    more, and refuses what it has made of it; it does so with new issues only. Whoever may make the issue may give it
    that category, so that the bridge's own user sets it afterwards, where it was that: where the issue as it is would
    be refused with the category, which is not dropped then. Twice is once; what somebody has made of the category
    since, where a crash came between, stays.
    """
    numbers = [one.attributes["category_id"] for one in job.issues if "category_id" in one.attributes]
    if not isinstance(job.request, IssueRequest) or "category_id" not in job.left_out:
        return job, written
    asked = replace(job.request, attributes={**job.request.attributes, "category_id": numbers[0]})
    if writer.trial.refusal(asked.attributes, job.request.as_login) is None:
        return job, written
    found = writer.look.issue(written.issue)
    if "category_id" in changed_since(found, 0):
        there = (found.get("category") or {}).get("id")
        return (replace(job, request=asked) if there == numbers[0] else job), written
    amended = writer.amend(asked, replace(written, dropped=("category_id",)))
    return (job if amended.dropped else replace(job, request=asked)), amended


def learn_dropped(job: Job, directory: Directory) -> None:
    """Given a job of which nothing is there: where a note was dropped of who may add notes to other trackers only,
    whoever decides anew is to know it, be it another process than the one that saw it.
    """
    request = job.request
    if not job.dropped or job.creates or request.as_login is None or request.author_id is None:
        return
    project = directory.project(str(request.project_id))
    if project is not None:
        directory.deny(request.author_id, "add_issue_notes", project)
