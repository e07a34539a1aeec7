"""The command line: parse, call, print. Commands live in `redmine_mailbridge/commands`, one file each.

`--help` must be fast, so nothing heavy is imported here or at the top of a command's file.
"""

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from redmine_mailbridge import __version__
from redmine_mailbridge.cli import commands, streams
from redmine_mailbridge.errors import MailbridgeError, SettingsError

if TYPE_CHECKING:
    from redmine_mailbridge.settings.load import Loaded
    from redmine_mailbridge.settings.models import Settings


class Invocation:
    """Passed to every command: the requested settings file, and ways to load it."""

    def __init__(self, settings_file: Path | None = None) -> None:
        self.settings_file = settings_file

    def loaded(self) -> "Loaded":
        """Load the settings with their origins and configure logging accordingly. Raise SettingsError."""
        from redmine_mailbridge.cli import logging
        from redmine_mailbridge.settings.load import load_with_origins

        loaded = load_with_origins(self.settings_file)
        logging.configure(loaded.settings.log)
        _end_of_start()
        return loaded

    def settings(self) -> "Settings":
        """Load the settings, configure logging, and print warnings to standard error. Raise SettingsError."""
        loaded = self.loaded()
        for warning in loaded.warnings:
            click.secho(warning, fg="yellow", err=True)
        return loaded.settings


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


class WholeNumber(click.IntRange):
    """A whole number within bounds, called a number in help and errors: click says "INTEGER RANGE"."""

    name = "number"


NUMBER, ROW, PORT = WholeNumber(1, 2**31 - 1), WholeNumber(1, 2**63 - 1), WholeNumber(1, 65535)
"""A count or an issue of Redmine, and the number of a row: more than these no database takes. A port of TCP."""


class Failed(click.ClickException):
    """One of the package's errors, shown as red lines."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print every line of the error in red on standard error."""
        for line in self.message.splitlines():
            click.secho(line, fg="red", file=file, err=file is None)


class SettingsFailed(Failed):
    """The settings cannot be used: exits with the code for wrong usage."""

    exit_code = 2


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn the package's errors into exit codes."""
    try:
        yield
    except SettingsError as error:
        raise SettingsFailed(str(error)) from error
    except MailbridgeError as error:
        raise Failed(str(error)) from error


RENAMED = {
    "accept": "messages accept",
    "reject": "messages reject",
    "release": "mailboxes resume",
    "retry": "messages retry",
}
"""What commands were called before version 0.1.0, and what they are called."""


class Commands(click.Group):
    """The group whose commands are the files in `cli/commands`, each with a `command`."""

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        """The names of the files, with - for _."""
        del ctx  # they do not depend on it
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command and add --settings to it."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        _take_settings(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with a suggestion for a mistyped command."""
        from redmine_mailbridge.util.suggest import did_you_mean

        known = self.list_commands()
        if args and not args[0].startswith("-") and args[0] not in known:
            if args[0] in RENAMED:
                ctx.fail(f'unknown command "{args[0]}": it is called `{RENAMED[args[0]]}` now.')
            ctx.fail(f'unknown command "{args[0]}"{did_you_mean(args[0], known) or "."}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the package's errors end in red lines and their exit code."""
        if not set(ctx.help_option_names) & set(ctx.args):  # help needs no modules
            _load_bare()
        with _exit_codes():
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
    """Given a command, add --settings to it and to its subcommands, if absent."""
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


GARBAGE = (50_000, 20, 20)
"""After how many new objects Python looks for garbage."""
GARBAGE_AT_START = (1_000_000, 20, 20)
"""The same until the settings are loaded: modules and classes stay, and to look through them is a tenth of the CPU time
of starting.
"""


def _end_of_start() -> None:
    """The modules are loaded: look for garbage from now on, but not among them."""
    if gc.get_threshold() == GARBAGE_AT_START:
        gc.freeze()
        gc.set_threshold(*GARBAGE)


BARE = {"structlog": "rich", "requests": "charset_normalizer"}
"""Libraries, and what each imports if it is there, without a use for it here: structlog prints local variables with
rich, where this program prints plain tracebacks; requests asks charset_normalizer for its version, and chardet, which
comes with this program, for everything else. That is 75 modules.
"""


def _load_bare() -> None:
    """Import each of the libraries as if what it has no use for were not installed."""
    for library, unused in BARE.items():
        if library in sys.modules or unused in sys.modules:
            continue
        sys.modules[unused] = None  # type: ignore[assignment]  # an import of it raises ImportError
        try:
            importlib.import_module(library)
        finally:
            del sys.modules[unused]


def main() -> None:
    """Run the command line."""
    gc.set_threshold(*GARBAGE_AT_START)
    streams.put_right()
    with streams.told_when_unwritable():
        cli(prog_name="redmine-mailbridge")
