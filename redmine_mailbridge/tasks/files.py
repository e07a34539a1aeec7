"""The files of a mail on their way to Redmine, and the texts that do not fit and become files."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tenacity import Retrying

from redmine_mailbridge.mail.message import Attachment, LeftOut
from redmine_mailbridge.redmine.fit import fit
from redmine_mailbridge.redmine.request import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.write import Writer
from redmine_mailbridge.routing.plan import Plan

R = TypeVar("R", IssueRequest, NoteRequest)


class Files:
    """Uploads files. `tries` makes what tries one upload again. Safe to share among threads."""

    def __init__(self, writer: Writer, tries: Callable[[], Retrying]) -> None:
        self._writer = writer
        self._tries = tries

    def uploaded(self, plan: Plan) -> tuple[Plan, tuple[Upload, ...], list[str]]:
        """Given a plan, upload its files. What Redmine does not take is named in the text."""
        sent = [self._upload(attachment, plan.act_as) for attachment in plan.attachments]
        uploads = tuple(one for one in sent if isinstance(one, Upload))
        refused = tuple(one for one in sent if isinstance(one, LeftOut))
        if refused:
            named = "\n".join(f"* {part.name}: {part.why}" for part in refused)
            plan = replace(
                plan, text=f"{plan.text}\n\nNot attached:\n\n{named}".strip(), left_out=plan.left_out + refused
            )
        return plan, uploads, [f"not attached: {part.name}: {part.why}" for part in refused]

    def fitted(self, request: R, plan: Plan) -> tuple[R, tuple[str, ...]]:
        """Given a request and its plan, make it fit, what does not becoming files. Return it with a line for each."""
        request, files, said = fit(request, plan.text_limit)
        sent = [self._upload(file, plan.act_as) for file in files]
        return request.with_uploads(*(one for one in sent if isinstance(one, Upload))), said

    def _upload(self, file: Attachment, as_login: str | None) -> Upload | LeftOut:
        return self._tries()(self._writer.upload, file, as_login)
