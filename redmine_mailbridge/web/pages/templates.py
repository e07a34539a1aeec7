"""The texts of the mails that go out, each shown with made-up values."""

import html as markup
from pathlib import Path

from starlette.responses import Response

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.sanitized_html import sanitised
from redmine_mailbridge.outgoing.template_variables import KINDS
from redmine_mailbridge.outgoing.templates import BUILT_IN, FILES, Templates
from redmine_mailbridge.web.pages.messages import framed
from redmine_mailbridge.web.request import PageRequest

ABOUT = {
    "received": "confirms that a mail created an issue",
    "received_reply": "confirms that a reply was added to an issue",
    "refused": "informs the sender that a mail was rejected, and why",
    "withheld": "informs an agent that a reply by mail was not sent to the customer, and why",
    "registration": "informs the sender that an account was created",
    "answer": "an agent's answer to the customer",
    "third_party": "what an agent writes to third parties, such as suppliers",
    "closed": "says that the issue was closed",
    "reminder": "reminds of a waiting issue (automation rules)",
    "escalation": "warns that an issue has waited too long (automation rules)",
    "budget": "warns an administrator that a budget is nearly used up",
    "alert": "informs an administrator of a lasting failure or a recovery",
    "frame": "the layout that all mails share",
    "signature": "the team's signature below mail to customers; shown here below an answer",
}


def listing(call: PageRequest) -> Response:
    """The kinds of mail, and the languages that each is written in."""
    own = _own(call)
    kinds = {}
    for kind in KINDS:
        folders = [root / kind for root in (BUILT_IN, own) if root is not None and (root / kind).is_dir()]
        kinds[kind] = sorted(
            {
                language_folder.name
                for folder in folders
                for language_folder in folder.iterdir()
                if language_folder.is_dir()
            }
        )
    return call.render("templates.html", title=call.words("Templates"), kinds=kinds, own=own, about=ABOUT)


def preview(call: PageRequest) -> Response:
    """One mail with made-up values, and its template; a faulty one says what is wrong."""
    kind, language = call.request.path_params["kind"], call.query("language") or call.words.language
    if kind not in KINDS:
        reason = call.words("This template does not exist.")
        return call.render("error.html", 404, title=call.words("Not found"), reason=reason)
    templates = Templates(_own(call))
    folder = templates.folder(kind, language)
    texts, problem = None, ""
    try:
        texts = templates.preview(kind, language)
        problems = list(templates.unknown(kind, language))
    except SettingsError as error:
        problem, problems = str(error), []
    sources = {name: (folder / name).read_text("utf-8", "replace") for name in FILES if (folder / name).is_file()}
    return call.render(
        "template.html",
        title=kind,
        kind=kind,
        language=folder.name,
        languages=sorted(
            language_folder.name for language_folder in folder.parent.iterdir() if language_folder.is_dir()
        ),
        folder=folder,
        built_in=folder.is_relative_to(BUILT_IN),
        texts=texts,
        problems=[problem] if problem else problems,
        sources=sources,
    )


def frame(call: PageRequest) -> Response:
    """The HTML of a mail with made-up values, in the frame that strangers' mails have too."""
    kind, language = call.request.path_params["kind"], call.query("language") or "en"
    texts = Templates(_own(call)).preview(kind, language) if kind in KINDS else None
    html = sanitised(texts.html) if texts and texts.html else f"<pre>{markup.escape(texts.text if texts else '')}</pre>"
    return framed(call, html)


def _own(call: PageRequest) -> Path | None:
    """The admin's own folder: that of [outgoing]."""
    return call.context.settings.outgoing.templates
