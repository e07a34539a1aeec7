"""`templates list|copy|preview`: the texts of outgoing messages."""

from pathlib import Path

import click

_LANGUAGE = click.option("--language", default="en", show_default=True, help="The language of the template.")


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List, preview and copy the mail templates."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


def _require_kind(kind: str) -> None:
    """Given the name of a template, raise SettingsError unless there is one of this name."""
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.outgoing.template_variables import KINDS
    from redmine_mailbridge.util.suggest import did_you_mean

    if kind not in KINDS:
        meant = did_you_mean(kind, KINDS) or f"; the templates are {', '.join(KINDS)}"
        raise SettingsError(f'unknown template "{kind}"{meant}')


@command.command("list")
def list_() -> None:
    """List the kinds of mail and languages."""
    from redmine_mailbridge.outgoing.template_variables import KINDS
    from redmine_mailbridge.outgoing.templates import BUILT_IN

    for kind in KINDS:
        languages = sorted(folder.name for folder in (BUILT_IN / kind).iterdir() if folder.is_dir())
        click.echo(f"{kind:<16} {', '.join(languages)}")


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", "kinds", multiple=True, help="Copy only this kind; repeatable.")
def copy(folder: Path, kinds: tuple[str, ...]) -> None:
    """Copy templates to FOLDER for editing.

    Set `templates` in [outgoing] to FOLDER. Existing files are not overwritten.
    """
    import shutil

    from redmine_mailbridge.outgoing.template_variables import KINDS
    from redmine_mailbridge.outgoing.templates import BUILT_IN

    for kind in kinds:
        _require_kind(kind)
    for kind in kinds or KINDS:
        for source in sorted((BUILT_IN / kind).rglob("*.*")):
            target = folder / source.relative_to(BUILT_IN)
            if target.exists():
                click.echo(f"{target} already exists")
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            click.echo(f"{target}")


@command.command()
@click.argument("kind")
@_LANGUAGE
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Your own templates.")
@click.option("--html", "as_html", is_flag=True, help="Show the HTML instead of the text.")
def preview(kind: str, language: str, folder: Path | None, *, as_html: bool) -> None:
    """Show a message of KIND with sample values."""
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.outgoing.signature import SIGNATURE
    from redmine_mailbridge.outgoing.templates import Templates

    _require_kind(kind)
    templates = Templates(folder)
    shown = "answer" if kind == SIGNATURE else kind
    if problem := templates.problem(language, shown):
        raise SettingsError(problem)
    texts = templates.preview(kind, language)
    click.secho(texts.subject, bold=True)
    click.echo(f"\n{texts.html if as_html else texts.text}")
