"""How a mailbox's mail is read: `[mailboxes.NAME.reading]`."""

import re
from collections.abc import Callable
from typing import Annotated, Literal, cast

from pydantic import AfterValidator

from redmine_mailbridge.model.mail import ReadingOptions, TextFormat
from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.patterns import compile_linear
from redmine_mailbridge.settings.value_types import Name, Size


def _expression(value: str) -> str | None:
    """Given a pattern as written, return what stands between its slashes; None when it is plain."""
    return value[1:-1] if len(value) > 2 and value.startswith("/") and value.endswith("/") else None


def compile_delimiter(value: str) -> re.Pattern[str]:
    """Given a line as written, or "/expression/", compile it. Raise ValueError when it is no valid expression.

    A blank of the plain one stands for any white space, as with Redmine's own.
    """
    plain = r"[\s\pZ]+".join(re.escape(piece) for piece in value.split())
    return _compile(_expression(value) or plain)


def compile_file_name(value: str) -> re.Pattern[str]:
    """Given a file name in which * stands for anything, or "/expression/", compile it, in any case.

    Either matches whole names only, as with Redmine's own. Raise ValueError when it is no valid expression.
    """
    plain = ".*".join(re.escape(piece) for piece in re.split(r"\*+", value))
    return _compile(rf"\A(?:{_expression(value) or plain})\z", any_case=True)


def _compile(expression: str, *, any_case: bool = False) -> re.Pattern[str]:
    # RE2's own type, which has the methods of re.Pattern that reading uses (fullmatch, match, search)
    return cast("re.Pattern[str]", compile_linear(expression, any_case=any_case))


def _checked(compiler: Callable[[str], re.Pattern[str]]) -> AfterValidator:
    """Given a compiler, return a validator that keeps what is written and refuses what does not compile."""

    def check(value: str) -> str:
        compiler(value)
        return value

    return AfterValidator(check)


def authserv_id(value: str) -> str:
    """Given the name with which a server begins its Authentication-Results fields (RFC 8601 section 2.2), return it.
    Raise ValueError for a mail address, and for more of such a field than the name: neither is ever found there.
    """
    if re.search(r"[\s;@]", value):
        raise ValueError('must be the name alone with which the Authentication-Results header begins: "mx.example.com"')
    return value


AuthservId = Annotated[Name, AfterValidator(authserv_id)]
Delimiter = Annotated[Name, _checked(compile_delimiter)]
FileNamePattern = Annotated[Name, _checked(compile_file_name)]


class ReadingSettings(Table):
    """How a mail's text and files are read."""

    prefer: Literal["text", "html"] = key(
        "Which text of a mail is taken when it holds both. The HTML is also used where it alone shows a picture or a "
        "table; the other one where the preferred one is empty.",
        "text",
    )
    delimiters: tuple[Delimiter, ...] = key(
        "Lines below which everything is cut, of replies and of new mails, such as the line that your answers begin "
        "with. A line as it is written, or a regular expression for the whole line between slashes.",
        (),
    )
    excluded_names: tuple[FileNamePattern, ...] = key(
        'Names of files that are not attached, such as "*.vcf", or between slashes a regular expression for the whole '
        'name: "/smime.*/". They are named in the issue.',
        (),
    )
    max_attachment: Size = key("Larger attachments are named in the issue and not attached; 0 is no limit.", 0)
    skip_signature_logos: bool = key("Leave out the small pictures of signatures on replies.", False)
    trusted_authserv_ids: tuple[AuthservId, ...] = key(
        "The names by which your own mail server signs its Authentication-Results headers; only these are believed. "
        '"*" stands for a header without a name, as Microsoft 365 writes it.',
        (),
    )
    results_below_received: bool = key(
        "Where those headers stand. Off: above the Received line that your server writes itself, where nobody else can "
        "have put one. On: right below it, as Postfix with OpenDKIM, OpenDMARC or rspamd and Exim do. Only for a "
        "server that takes away the Authentication-Results of its own name which mail brings along. Google's is known.",
        False,
    )
    verify_dkim: bool = key("Verify DKIM signatures here as well (needs the extra `dkim` and DNS).", False)

    def options(
        self,
        text_format: TextFormat,
        *,
        own_addresses: frozenset[str] = frozenset(),
        loop_value: str = "",
        write_above: str | None = None,
    ) -> ReadingOptions:
        """Given what does not belong to this table, return the options for `mail.parse`."""
        own_line = (re.compile(re.escape(write_above)),) if write_above else ()
        return ReadingOptions(
            text_format=text_format,
            prefer=self.prefer,
            delimiters=tuple(compile_delimiter(line) for line in self.delimiters) + own_line,
            excluded_names=tuple(compile_file_name(name) for name in self.excluded_names),
            trusted_authserv_ids=self.trusted_authserv_ids,
            results_below_received=self.results_below_received,
            verify_dkim=self.verify_dkim,
            skip_signature_logos=self.skip_signature_logos,
            own_addresses=own_addresses,
            loop_value=loop_value,
            max_attachment=self.max_attachment,
        )
