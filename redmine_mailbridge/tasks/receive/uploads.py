"""The files of a mail on their way to Redmine, and the texts that do not fit and become files, or further notes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from tenacity import Retrying

from redmine_mailbridge.errors import RedmineUnclear
from redmine_mailbridge.model.mail import Attachment, LeftOut, TextFormat
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.policy.issue_text import left_out_lines, literal_lines
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.redmine.size_limits import Cut, fit, free_name, text_file
from redmine_mailbridge.redmine.text_cleaning import clean_markup, has_wide, without_wide
from redmine_mailbridge.redmine.writer import Writer

R = TypeVar("R", IssueRequest, NoteRequest)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of making a request fit. `rest` are texts, in the markup, that neither it nor a file of it holds;
    `in_file`: a file of it holds the whole of its text. `refused` says why a file was not taken. `lines` are for the
    mail's record.
    """

    rest: tuple[str, ...] = ()
    in_file: bool = False
    refused: str = ""
    lines: tuple[str, ...] = ()


class Files:
    """Uploads files. `tries` makes what tries one upload again. Safe to share among threads."""

    def __init__(self, writer: Writer, tries: Callable[[], Retrying], text_format: TextFormat) -> None:
        self._writer = writer
        self._tries = tries
        self._format = text_format

    def uploaded(self, plan: Plan) -> tuple[Plan, tuple[Upload, ...], list[str]]:
        """Given a plan, upload its files. What Redmine does not take is named in the text, at an end that stays."""
        sent = [self._upload(attachment, plan.act_as) for attachment in plan.attachments]
        uploads = tuple(one for one in sent if isinstance(one, Upload))
        refused = tuple(one for one in sent if isinstance(one, LeftOut))
        if refused:
            named = left_out_lines(refused, self._format)
            text, ending = (f"{part}\n\n{named}".strip() for part in (plan.text, plan.ending))
            plan = replace(plan, text=text, ending=ending, left_out=plan.left_out + refused)
        return plan, uploads, [f"not attached: {part.name}: {part.why}" for part in refused]

    def fitted(self, request: R, plan: Plan) -> tuple[R, Fitted]:
        """Given a request and its plan, make it fit; what does not goes along as files, or is to be noted further."""
        request, cuts = fit(request, plan.text_limit, clean_markup(plan.ending))
        result = Fitted()
        for cut in cuts:
            request, result = self._carried(request, cut, plan, result)
        return request, result

    def with_text(self, request: IssueRequest, plan: Plan) -> tuple[IssueRequest, Fitted]:
        """Given a request whose text Redmine will not take, send the text along as a file."""
        taken = {upload.filename for upload in request.uploads}
        whole = str(request.attributes.get("description", ""))
        if not whole.strip():
            return request, Fitted(in_file=True)
        file = text_file(free_name("mail-text.txt", taken), whole)
        sent = self._upload(file, plan.act_as)
        if isinstance(sent, LeftOut):
            return request, Fitted(refused=sent.why)
        return request.with_uploads(sent), Fitted(in_file=True, lines=("the text is in a file",))

    def _carried(self, request: R, cut: Cut, plan: Plan, result: Fitted) -> tuple[R, Fitted]:
        sent: Upload | LeftOut = LeftOut("", "everybody would see the file of a private note")
        if cut.file is not None:
            sent = self._upload(cut.file, plan.act_as)
        if isinstance(sent, Upload):
            in_file = result.in_file or cut.field != "subject"
            lines = (*result.lines, f"{cut.said}, whole in a file")
            return request.with_uploads(sent), replace(result, in_file=in_file, lines=lines)
        rest = f"Subject:\n\n{literal_lines(cut.rest, self._format)}" if cut.field == "subject" else cut.rest
        lines = (*result.lines, f"{cut.said}, the rest in a further note ({sent.why})")
        return request, replace(result, rest=(*result.rest, rest), refused=sent.why, lines=lines)

    def _upload(self, file: Attachment, as_login: str | None) -> Upload | LeftOut:
        try:
            return self._tries()(self._writer.upload, file, as_login)
        except RedmineUnclear as error:
            if error.settle or not has_wide(file.name):
                raise
        # an old MySQL takes no characters of 4 bytes, in names neither; uploading may be repeated
        return self._tries()(self._writer.upload, replace(file, name=without_wide(file.name)), as_login)
