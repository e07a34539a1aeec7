"""How a mailbox's messages are parsed: `[mailboxes.NAME.reading]`."""

import re
from collections.abc import Callable
from typing import Annotated, Literal, cast

from pydantic import AfterValidator

from redmine_mailbridge.model.mail import ReadingOptions, TextFormat
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.patterns import compile_linear
from redmine_mailbridge.settings.value_types import Name, Size


def _expression(value: str) -> str | None:
    """Given a pattern as written, return the text between its slashes; None if it is plain."""
    return value[1:-1] if len(value) > 2 and value.startswith("/") and value.endswith("/") else None


def compile_delimiter(value: str) -> re.Pattern[str]:
    """Given a line as written, or "/expression/", compile it. Raise ValueError if the expression is invalid.

    A space in a plain line matches any white space, as in Redmine.
    """
    plain = r"[\s\pZ]+".join(re.escape(piece) for piece in value.split())
    return _compile(_expression(value) or plain)


def compile_file_name(value: str) -> re.Pattern[str]:
    """Given a file name in which * matches anything, or "/expression/", compile it, case-insensitively.

    Both match whole names only, as in Redmine. Raise ValueError if the expression is invalid.
    """
    plain = ".*".join(re.escape(piece) for piece in re.split(r"\*+", value))
    return _compile(rf"\A(?:{_expression(value) or plain})\z", any_case=True)


def _compile(expression: str, *, any_case: bool = False) -> re.Pattern[str]:
    # RE2's own type, which has the methods of re.Pattern that parsing uses (fullmatch, match, search)
    return cast("re.Pattern[str]", compile_linear(expression, any_case=any_case))


def _checked(compiler: Callable[[str], re.Pattern[str]]) -> AfterValidator:
    """Given a compiler, return a validator that keeps the written text and rejects what does not compile."""

    def check(value: str) -> str:
        compiler(value)
        return value

    return AfterValidator(check)


def authserv_id(value: str) -> str:
    """Given the name at the start of a server's Authentication-Results fields (RFC 8601 section 2.2), return it.
    Raise ValueError for a mail address, and for more of such a field than the name: neither can ever match.
    """
    if re.search(r"[\s;@]", value):
        raise ValueError('must be only the name at the start of the Authentication-Results header: "mx.example.com"')
    return value


AuthservId = Annotated[Name, AfterValidator(authserv_id)]
Delimiter = Annotated[Name, _checked(compile_delimiter)]
FileNamePattern = Annotated[Name, _checked(compile_file_name)]


class ReadingSettings(SettingsTable):
    """How the text and attachments of messages are extracted."""

    prefer: Literal["text", "html"] = setting(
        "Which text of a message is used if it has both. HTML is also used if only the HTML contains a picture or a "
        "table; the other text is used if the preferred one is empty.",
        "text",
    )
    delimiters: tuple[Delimiter, ...] = setting(
        "Lines below which all text is cut, in replies and in new messages, such as the first line of your own "
        "messages. A line as it is written, or a regular expression for the whole line between slashes.",
        (),
    )
    excluded_names: tuple[FileNamePattern, ...] = setting(
        'Names of files that are not attached, such as "*.vcf", or a regular expression for the whole '
        'name between slashes: "/smime.*/". The issue names them.',
        (),
    )
    max_attachment: Size = setting("Maximum size of an attachment. The issue only names larger ones; 0: no limit.", 0)
    skip_signature_logos: bool = setting("Skip the small pictures of signatures in replies.", False)
    trusted_authserv_ids: tuple[AuthservId, ...] = setting(
        "The names (authserv-id) in your own mail server's Authentication-Results headers; only these are trusted. "
        '"*" matches a header without a name, as Microsoft 365 writes it.',
        (),
    )
    results_below_received: bool = setting(
        "Where these headers are. false: above the Received line that your server adds, where no one else can "
        "insert one. true: directly below it, as with Postfix and OpenDKIM, OpenDMARC or rspamd, and Exim. Use true "
        "only if your server removes foreign Authentication-Results headers with its own name. Google's position is "
        "built in.",
        False,
    )
    verify_dkim: bool = setting("Also verify DKIM signatures in the bridge (needs the extra `dkim` and DNS).", False)

    def options(
        self,
        text_format: TextFormat,
        *,
        own_addresses: frozenset[str] = frozenset(),
        loop_value: str = "",
        reply_marker_line: str | None = None,
        forwards: bool = False,
    ) -> ReadingOptions:
        """Given the values from other tables, return the options for `mail.parse`."""
        own_line = (re.compile(re.escape(reply_marker_line)),) if reply_marker_line else ()
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
            forwards=forwards,
        )
