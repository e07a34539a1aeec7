"""`init` and Redmine: its address, the key, the text format, and the projects and trackers it offers."""

from collections.abc import Callable, Iterator
from typing import get_args

import click
import requests
from pydantic import SecretStr, ValidationError

from redmine_mailbridge.checks.advice import REDMINE, with_advice
from redmine_mailbridge.checks.redmine import somebodys
from redmine_mailbridge.cli.setup.choosing import Choice
from redmine_mailbridge.cli.setup.form import Form, choice, from_environment
from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.redmine.client import Connection
from redmine_mailbridge.redmine.formatting import text_format
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.responses import asks_for_login
from redmine_mailbridge.redmine.transport import WAY, failure
from redmine_mailbridge.settings.redmine import RedmineSettings, is_in_the_clear
from redmine_mailbridge.wiring.redmine import metadata_of, redmine_client, redmine_connection

FORMATS: tuple[str, ...] = get_args(TextFormat)
KEY_VARIABLE = "MAILBRIDGE_REDMINE__API_KEY"
GATEWAY_VARIABLE = "MAILBRIDGE_REDMINE__GATEWAY_PASSWORD"
WHO = "/users/current.json"
_IDENTIFIER = "Project for new issues (its identifier)"


class Offers:
    """What Redmine offers once it is reached with the key; empty before, and empty if it cannot be queried."""

    def __init__(self) -> None:
        self.metadata: MetadataCache | None = None

    def known_by(self, settings: RedmineSettings) -> str:
        """Given Redmine's settings, query the key's own user. Return what is wrong, or ""."""
        client = redmine_client(settings)
        metadata = metadata_of(client, settings)
        try:
            me = metadata.people.me().user
            projects, own = metadata.project_names(), somebodys(client.whoami())
        except RedmineError as error:
            client.close()
            return with_advice(str(error), REDMINE)
        self.metadata = metadata
        what = "an administrator" if me.admin else "not an administrator"
        click.secho(f"Connected to Redmine: the key belongs to {me.login or me.name}, {what}.", dim=True)
        if own:
            click.secho(f"Warning: {own}.", fg="yellow")
        if not projects:
            click.secho("The key sees no project: make its user a member of one.", fg="yellow")
        return ""

    def projects(self) -> dict[str, str]:
        """The identifiers of the projects that the key sees, each with its name in lower case."""
        names = self.metadata.project_names() if self.metadata is not None else {}
        called = {identifier: name for name, identifier in names.items() if name != identifier}
        return {identifier: called.get(identifier, "") for identifier in sorted(set(names.values()))}

    def trackers(self, project: str) -> list[str]:
        """The names of the trackers of a project, as Redmine's pages show them."""
        if self.metadata is None or (details := self.metadata.project(project)) is None:
            return []
        known = self.metadata.trackers()
        return [known[number].name for number in details.trackers.values() if number in known]


def ask_for_redmine(form: Form, offers: Offers) -> None:
    """Ask for Redmine's address, the key and the text format, and test each."""

    def address() -> None:
        form.ask("redmine_url", "Redmine's address (https://…)")
        if is_in_the_clear(str(form["redmine_url"])):
            words = "The API key and all mail would be sent unencrypted. Continue without TLS?"
            form.confirm("allow_cleartext", words, default=False)
        form.ask_for_authority("redmine_ca_file", needed=bool(form.answers.get("needs_ca")))
        if form.answers.get("needs_gateway") or form["gateway_user"]:
            form.ask("gateway_user", "User name for the gateway (basic authentication)")
            if form["gateway_password_file"] is None and from_environment(GATEWAY_VARIABLE) is None:
                form.ask("gateway_password", "Password for the gateway")

    names = ("redmine_url", "allow_cleartext", "redmine_ca_file", "gateway_user", "gateway_password")
    form.until_right(names, address, lambda: _reached(form))
    form.answers["redmine_ca_file"] = form["redmine_ca_file"] or None
    if form["text_format"] is None and form.tries:
        form.found_out({"text_format": reported_format(form)})

    def key() -> None:
        if form["api_key_file"] is None and from_environment(KEY_VARIABLE) is None:
            form.ask("api_key", "API key of the bridge's own Redmine user (My account)")

    form.until_right(("api_key",), key, lambda: _known(form, offers))
    hint = "Redmine's text formatting (Administration, Settings, General; textile is the default before 6.0)"
    form.ask("text_format", hint, type=choice(FORMATS))


def ask_for_project(form: Form, offers: Offers) -> None:
    """Ask for the project and the tracker of new issues; offer what Redmine has, and report what it does not have."""
    try:
        known = offers.projects()
    except RedmineError as error:
        click.secho(with_advice(str(error), REDMINE), fg="yellow")
        known = {}
    words = "Project for new issues (identifier, name, or part of either)" if known else _IDENTIFIER
    _choose(form, Choice(form, "project", known), "project", lambda: form.ask("project", words))
    try:
        trackers = offers.trackers(form["project"])
    except RedmineError:
        trackers = []
    words = "Tracker of new issues (empty: the project's first one)"
    _choose(
        form,
        Choice(form, "tracker", dict.fromkeys(trackers, "")),
        "tracker",
        lambda: form.ask("tracker", words, "", show_default=False),
    )


def _choose(form: Form, among: Choice, what: str, ask: Callable[[], None]) -> None:
    """List the choices, and ask until the answer is one of them."""
    if form[what] is None and (choices := among.begin()):
        click.echo(choices)
    form.until_right((what,), ask, among.settle)


def reported_format(form: Form) -> str | None:
    """Given where Redmine is, return its text format if it reports a supported one, and print it."""
    connection = Connection(
        form["redmine_url"],
        "",
        ca_file=str(form["redmine_ca_file"]) if form["redmine_ca_file"] else None,
        connect_timeout=5.0,
        gateway_user=form["gateway_user"] or "",
        gateway_password=_gateway_password(form),
    )
    detected = text_format(connection)
    if detected not in FORMATS:
        return None
    click.secho(f"Redmine reports its text formatting: {detected}.", dim=True)
    return detected


def _secret(form: Form, name: str, variable: str) -> str | None:
    """Given the name of a secret and its variable, return what was typed, or the content of the given file or of the
    environment variable.
    """
    file = form[f"{name}_file"]
    from_file = file.read_text("utf-8-sig").strip() if file else None
    return form[name] or from_file or from_environment(variable)


def _gateway_password(form: Form) -> str:
    return _secret(form, "gateway_password", GATEWAY_VARIABLE) or ""


def _settings(form: Form, key: str | None = None) -> RedmineSettings:
    """Redmine's settings, from the answers. Raise ValidationError."""
    user = form["gateway_user"] or None
    return RedmineSettings(
        url=form["redmine_url"],
        allow_cleartext=bool(form["allow_cleartext"]),
        ca_file=form["redmine_ca_file"] or None,
        api_key=SecretStr(key) if key else None,
        gateway_user=user,
        gateway_password=SecretStr(_gateway_password(form)) if user else None,
    )


def _reached(form: Form) -> str:
    """Check that a Redmine answers there. Return what is wrong, or ""."""
    try:
        settings = _settings(form)
    except ValidationError as error:
        return "\n".join(str(detail["msg"]).removeprefix("Value error, ") for detail in error.errors())
    session = redmine_connection(settings).session(5.0, 15.0)
    try:
        answer = session.get(settings.url + WHO)
        if answer.status_code == 401 and (wants := asks_for_login(answer)):
            form.answers["needs_gateway"] = True
            return f"{settings.url}: {wants}"
        if _is_redmine(answer):
            return ""
        above = next((url for url in _above(settings.url) if _is_redmine(session.get(url + WHO))), None)
    except WAY as error:
        if "certificate" in str(error).lower():
            form.answers["needs_ca"] = True
        return with_advice(str(failure("get", settings.url + WHO, error, sent=False)))
    finally:
        session.close()
    return f"{settings.url} is a page of Redmine; its address is {above}" if above else _other(settings, answer)


def _other(settings: RedmineSettings, answer: requests.Response) -> str:
    """What else may be answering, when it is not a Redmine."""
    if answer.is_redirect:
        return f"{settings.url} redirects to {answer.headers['Location'][:200]}: enter the address that people use"
    return f"{settings.url} answers {answer.status_code}, unlike a Redmine: is a path such as /redmine missing?"


def _is_redmine(answer: requests.Response) -> bool:
    """Does it answer as Redmine does without a key?"""
    return answer.status_code in {401, 403} or "json" in answer.headers.get("Content-Type", "")


def _above(url: str) -> Iterator[str]:
    """The addresses above this one, nearest first: people paste the address of a page."""
    while url.count("/") > 2:
        url = url.rpartition("/")[0]
        yield url


def _known(form: Form, offers: Offers) -> str:
    try:
        settings = _settings(form, _secret(form, "api_key", KEY_VARIABLE))
    except ValidationError:  # an address that was accepted although it is wrong
        return ""
    return offers.known_by(settings)
