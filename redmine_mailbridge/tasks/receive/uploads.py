"""Uploads the files of a mail to Redmine, and turns texts that are too long into files or further notes."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from redmine_mailbridge.errors import RedmineUnclear
from redmine_mailbridge.model.mail import Attachment, LeftOut, TextFormat
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.issue_text import left_out_lines, literal_lines
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.size_limits import CutText, free_name, text_file, truncate
from redmine_mailbridge.redmine.text_cleaning import clean_markup, has_wide, without_wide
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import tenacity
else:  # as in once.py
    tenacity = lazy_import("tenacity")

R = TypeVar("R", IssueRequest, NoteRequest)


@dataclass(frozen=True, slots=True)
class FittedRequest:
    """The result of fitting a request to Redmine's limits. `rest` are texts, in the markup, that are neither in the
    request nor in one of its files; `in_file`: a file contains the whole text. `refused` says why a file was rejected.
    `lines` are for the mail's history.
    """

    rest: tuple[str, ...] = ()
    in_file: bool = False
    refused: str = ""
    lines: tuple[str, ...] = ()


class FileUploader:
    """Uploads files. `tries` returns the retry policy of an upload. Safe to share among threads."""

    def __init__(self, writer: Writer, tries: "Callable[[], tenacity.Retrying]", text_format: TextFormat) -> None:
        self._writer = writer
        self._tries = tries
        self._format = text_format

    def uploaded(self, plan: Plan) -> tuple[Plan, tuple[Upload, ...], list[str]]:
        """Given a plan, upload its files. Rejected files are listed at the end of the text, which is never cut."""
        sent = [self._upload(attachment, plan.act_as) for attachment in plan.attachments]
        uploads = tuple(upload for upload in sent if isinstance(upload, Upload))
        refused = tuple(file for file in sent if isinstance(file, LeftOut))
        if refused:
            refused_lines = left_out_lines(refused, self._format)
            text, ending = (f"{part}\n\n{refused_lines}".strip() for part in (plan.text, plan.ending))
            plan = replace(plan, text=text, ending=ending, left_out=plan.left_out + refused)
        return plan, uploads, [f"not attached: {part.name}: {part.why}" for part in refused]

    def fitted(self, request: R, plan: Plan) -> tuple[R, FittedRequest]:
        """Given a request and its plan, fit it to Redmine's limits; the rest becomes files or further notes."""
        request, cuts = truncate(request, plan.text_limit, clean_markup(plan.ending))
        result = FittedRequest()
        for cut in cuts:
            request, result = self._carried(request, cut, plan, result)
        return request, result

    def with_text(self, request: IssueRequest, plan: Plan) -> tuple[IssueRequest, FittedRequest]:
        """Given a request whose text Redmine does not store, attach the text as a file."""
        taken = {upload.filename for upload in request.uploads}
        description = str(request.attributes.get("description", ""))
        if not description.strip():
            return request, FittedRequest(in_file=True)
        file = text_file(free_name("mail-text.txt", taken), description)
        sent = self._upload(file, plan.act_as)
        if isinstance(sent, LeftOut):
            return request, FittedRequest(refused=sent.why)
        return request.with_uploads(sent), FittedRequest(in_file=True, lines=("the text is in a file",))

    def _carried(self, request: R, cut: CutText, plan: Plan, result: FittedRequest) -> tuple[R, FittedRequest]:
        sent: Upload | LeftOut = LeftOut("", "everybody would see the file of a private note")
        if cut.file is not None:
            sent = self._upload(cut.file, plan.act_as)
        if isinstance(sent, Upload):
            in_file = result.in_file or cut.field != "subject"
            lines = (*result.lines, f"{cut.line}, whole in a file")
            return request.with_uploads(sent), replace(result, in_file=in_file, lines=lines)
        rest = f"Subject:\n\n{literal_lines(cut.rest, self._format)}" if cut.field == "subject" else cut.rest
        lines = (*result.lines, f"{cut.line}, the rest in a further note ({sent.why})")
        return request, replace(result, rest=(*result.rest, rest), refused=sent.why, lines=lines)

    def _upload(self, file: Attachment, as_login: str | None) -> Upload | LeftOut:
        try:
            return self._tries()(self._writer.upload, file, as_login)
        except RedmineUnclear as error:
            if error.settle or not has_wide(file.name):
                raise
        # an old MySQL accepts no characters of 4 bytes, not even in file names; an upload can be repeated
        return self._tries()(self._writer.upload, replace(file, name=without_wide(file.name)), as_login)
