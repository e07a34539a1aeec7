"""`templates list|copy|preview`: the texts of the mails that go out."""

from pathlib import Path

import click

_LANGUAGE = click.option("--language", default="en", show_default=True, help="The language of the template.")


@click.group()
def command() -> None:
    """Look at the texts of the mails that go out, and take copies to edit."""


@command.command("list")
def list_() -> None:
    """List the kinds of mail and the languages that there are."""
    from redmine_mailbridge.outgoing.template_variables import KINDS
    from redmine_mailbridge.outgoing.templates import OURS

    for kind in KINDS:
        languages = sorted(folder.name for folder in (OURS / kind).iterdir() if folder.is_dir())
        click.echo(f"{kind:<16} {', '.join(languages)}")


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--kind", "kinds", multiple=True, help="Only this kind; can be repeated.")
def copy(folder: Path, kinds: tuple[str, ...]) -> None:
    """Copy templates into FOLDER, to edit them there; name it as `templates` in [outgoing]. Files that exist stay."""
    import shutil

    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.outgoing.template_variables import KINDS
    from redmine_mailbridge.outgoing.templates import OURS
    from redmine_mailbridge.util.suggest import did_you_mean

    for kind in kinds:
        if kind not in KINDS:
            raise SettingsError(f'there is no template "{kind}"{did_you_mean(kind, KINDS)}')
    for kind in kinds or KINDS:
        for source in sorted((OURS / kind).rglob("*.*")):
            target = folder / source.relative_to(OURS)
            if target.exists():
                click.echo(f"{target} is there already")
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            click.echo(f"{target}")


@command.command()
@click.argument("kind")
@_LANGUAGE
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Your own templates.")
@click.option("--html", "as_html", is_flag=True, help="The HTML in place of the text.")
def preview(kind: str, language: str, folder: Path | None, *, as_html: bool) -> None:
    """Show a mail of KIND with made-up values."""
    from redmine_mailbridge.errors import SettingsError
    from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS
    from redmine_mailbridge.outgoing.templates import Templates
    from redmine_mailbridge.util.suggest import did_you_mean

    if kind not in KINDS:
        raise SettingsError(f'there is no template "{kind}"{did_you_mean(kind, KINDS)}')
    texts = Templates(folder).render(kind, language, EXAMPLES[kind])
    click.secho(texts.subject, bold=True)
    click.echo(f"\n{texts.html if as_html else texts.text}")
