"""The texts of the mails that go out, each shown with made-up values."""

import html as markup
from pathlib import Path

from starlette.responses import Response

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.sanitized_html import sanitised
from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS
from redmine_mailbridge.outgoing.templates import FILES, OURS, Templates
from redmine_mailbridge.web.pages.messages import framed
from redmine_mailbridge.web.request import Call

ABOUT = {
    "received": "thanks for a mail that became an issue",
    "received_reply": "thanks for a mail that became a note",
    "refused": "tells a sender that the mail was not taken, and why",
    "registration": "tells a sender that an account was made",
    "answer": "an agent's note, to the people who wrote",
    "closed": "tells that the issue is closed",
    "reminder": "reminds of an issue that waits (rules of time)",
    "escalation": "warns that an issue waits too long (rules of time)",
    "budget": "tells an admin that a budget is nearly spent",
    "alert": "tells an admin that something keeps failing, or works again",
}


def listing(call: Call) -> Response:
    """The kinds of mail, and the languages that each is written in."""
    own = _own(call)
    kinds = {}
    for kind in KINDS:
        folders = [root / kind for root in (OURS, own) if root is not None and (root / kind).is_dir()]
        kinds[kind] = sorted({one.name for folder in folders for one in folder.iterdir() if one.is_dir()})
    return call.render("templates.html", title=call.words("Templates"), kinds=kinds, own=own, about=ABOUT)


def preview(call: Call) -> Response:
    """One mail with made-up values, and its template; a faulty one says what is wrong."""
    kind, language = call.request.path_params["kind"], call.query("language") or call.words.language
    if kind not in KINDS:
        reason = call.words("There is no such template.")
        return call.render("error.html", 404, title=call.words("Not found"), reason=reason)
    templates = Templates(_own(call))
    folder = templates.folder(kind, language)
    texts, problem = None, ""
    try:
        texts = templates.render(kind, language, EXAMPLES[kind])
        problems = list(templates.unknown(kind, language))
    except SettingsError as error:
        problem, problems = str(error), []
    sources = {name: (folder / name).read_text("utf-8", "replace") for name in FILES if (folder / name).is_file()}
    return call.render(
        "template.html",
        title=kind,
        kind=kind,
        language=folder.name,
        languages=sorted(one.name for one in folder.parent.iterdir() if one.is_dir()),
        folder=folder,
        ours=folder.is_relative_to(OURS),
        texts=texts,
        problems=[problem] if problem else problems,
        sources=sources,
    )


def frame(call: Call) -> Response:
    """The HTML of a mail with made-up values, in the frame that strangers' mails have too."""
    kind, language = call.request.path_params["kind"], call.query("language") or "en"
    texts = Templates(_own(call)).render(kind, language, EXAMPLES[kind]) if kind in KINDS else None
    made = sanitised(texts.html) if texts and texts.html else f"<pre>{markup.escape(texts.text if texts else '')}</pre>"
    return framed(call, made)


def _own(call: Call) -> Path | None:
    """The admin's own folder: that of [outgoing]."""
    return call.desk.settings.outgoing.templates
