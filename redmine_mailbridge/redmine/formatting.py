"""Which text formatting is in force: the API does not tell, but newer Redmines' help page does."""

import re
from typing import get_args

from redmine_mailbridge.mail.message import TextFormat
from redmine_mailbridge.redmine.client import Connection
from redmine_mailbridge.redmine.transport import Session

_CHOICE = " or ".join(f'text_format = "{name}"' for name in get_args(TextFormat))
NO_FORMAT = (
    "[redmine] text_format is not set, and this Redmine does not tell it (those before 6.0 never do): write "
    f"{_CHOICE}, as Administration, Settings, General has it (Redmine before 6.0 comes with Textile)"
)
_TITLE = re.compile(rb"<title>([^<]{0,200})</title>")


def text_format(connection: Connection) -> TextFormat | str | None:
    """Given where Redmine is, return "common_mark", "textile", the name of another format, or None: nobody can tell.

    Redmine before 6.0 serves the help pages of all formats alike, and one that is closed to anonymous visitors, or
    behind a login page, shows none.
    """
    session = Session()
    session.auth = connection.login
    session.verify = connection.ca_file or True
    session.timeouts = (connection.connect_timeout, min(connection.read_timeout, 10.0))
    if connection.proxy:
        session.proxies = {"http": connection.proxy, "https": connection.proxy}
    try:
        answer = session.get(f"{connection.url.rstrip('/')}/help/wiki_syntax/detailed")
    except OSError:  # of which the errors of requests are
        return None
    finally:
        session.close()
    found = _TITLE.search(answer.content[:5000]) if answer.status_code == 200 else None
    title = found[1].decode("utf-8", "replace").lower() if found else ""
    if "commonmark" in title:
        return "common_mark"
    return next((name for name in ("textile", "markdown") if name in title), None)
