"""The command line: parse, call, print. Commands live in `redmine_mailbridge/commands`, one file each.

`--help` must answer at once, so nothing heavy is imported here or at the top of a command's file.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from redmine_mailbridge import __version__
from redmine_mailbridge.cli import commands, streams
from redmine_mailbridge.errors import MailbridgeError, SettingsError

if TYPE_CHECKING:
    from redmine_mailbridge.settings.load import Loaded
    from redmine_mailbridge.settings.models import Settings


@dataclass(slots=True)
class Invocation:
    """What every command is given: the settings file that was asked for, and ways to load it."""

    settings_file: Path | None = None

    def loaded(self) -> "Loaded":
        """Load the settings with their origins, and set up logs as they say. Raise SettingsError."""
        from redmine_mailbridge.cli import logging
        from redmine_mailbridge.settings.load import load_with_origins

        loaded = load_with_origins(self.settings_file)
        logging.configure(loaded.settings.log)
        return loaded

    def settings(self) -> "Settings":
        """Load the settings, set up logs, and say warnings on standard error. Raise SettingsError."""
        loaded = self.loaded()
        for warning in loaded.warnings:
            click.secho(warning, fg="yellow", err=True)
        return loaded.settings


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


class Failed(click.ClickException):
    """One of our errors on its way out, in red lines."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print every line of the error in red on standard error."""
        for line in self.message.splitlines():
            click.secho(line, fg="red", file=file, err=file is None)


class SettingsFailed(Failed):
    """The settings cannot be used: the exit code of wrong usage."""

    exit_code = 2


@contextmanager
def _told() -> Iterator[None]:
    """Turn our errors into their exit."""
    try:
        yield
    except SettingsError as error:
        raise SettingsFailed(str(error)) from error
    except MailbridgeError as error:
        raise Failed(str(error)) from error


class Commands(click.Group):
    """The group whose commands are the files of `redmine_mailbridge/commands`, each with its `command`."""

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        """The names of the files, with - for _."""
        del ctx  # they do not depend on it
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, and let it take --settings too."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        _take_settings(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, and say which command was probably meant."""
        from redmine_mailbridge.util.suggest import did_you_mean

        known = self.list_commands()
        if args and not args[0].startswith("-") and args[0] not in known:
            ctx.fail(f'There is no command "{args[0]}"{did_you_mean(args[0], known) or "."}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors end in red lines and their exit code."""
        with _told():
            return super().invoke(ctx)


def _keep_settings_file(ctx: click.Context, _param: click.Parameter, value: Path | None) -> None:
    invocation = ctx.ensure_object(Invocation)
    if value is not None:
        invocation.settings_file = value


def _settings_option() -> click.Option:
    return click.Option(
        ["--settings", "settings_file"],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        expose_value=False,
        is_eager=True,
        callback=_keep_settings_file,
        help="The settings file [default: $MAILBRIDGE_SETTINGS, ./settings.toml, /etc/redmine-mailbridge/…]",
    )


def _take_settings(command: click.Command) -> None:
    """Given a command, add --settings to it and to its subcommands, unless it is there."""
    if not any(parameter.name == "settings_file" for parameter in command.params):
        command.params.append(_settings_option())
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _take_settings(below)


@click.group(cls=Commands, params=[_settings_option()], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="redmine-mailbridge")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The help desk for the Redmine that you already have: mail in, issues and notes out."""
    ctx.ensure_object(Invocation)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        ctx.color = False


def main() -> None:
    """Run the command line."""
    streams.put_right()
    with streams.told_when_unwritable():
        cli(prog_name="redmine-mailbridge")
