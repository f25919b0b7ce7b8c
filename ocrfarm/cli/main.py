"""`ocrfarm`: find the command, run it, and turn errors into one line and an exit code."""

import importlib
import io
import logging
import os
import signal
import sys
import tempfile
import traceback
from difflib import get_close_matches
from pathlib import Path
from threading import RLock
from types import TracebackType

import click
from click.shell_completion import get_completion_class

from ocrfarm._version import __version__
from ocrfarm.errors import OcrfarmError
from ocrfarm.log_output import TextFormatter
from ocrfarm.printable import printable
from ocrfarm.settings import is_colour_disabled

_COMMANDS = {
    "read": "read",
    "view": "view",
    "submit": "submit",
    "status": "jobs",
    "wait": "jobs",
    "fetch": "jobs",
    "cancel": "jobs",
    "resume": "jobs",
    "rm": "jobs",
    "jobs": "jobs",
    "top": "top",
    "usage": "usage",
    "up": "up",
    "worker": "worker",
    "doctor": "doctor",
    "bench": "benchmark",
    "tune": "benchmark",
    "models": "models",
    "sample": "benchmark",
    "completion": "main",
}
"""Command -> the module of this package that defines it."""

OUTPUT_LOCK = RLock()
"""Held while a line is printed and while progress bars are drawn, because both move the cursor."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells (128 + SIGINT)."""


class _Commands(click.Group):
    """Imports the module of a command only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in the order of `--help`."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name.

        Args:
            ctx: Context of the call; not used.
            cmd_name: Name of the command.
        """
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"ocrfarm.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, or fail and suggest a similar name.

        Args:
            ctx: Context of the call.
            args: The command's name and its arguments.
        """
        if (
            args[0] not in _COMMANDS
            and (near := get_close_matches(args[0], _COMMANDS, 1))
            and not ctx.resilient_parsing
        ):
            ctx.fail(f"No such command {args[0]!r}; did you mean {near[0]}?")
        return super().resolve_command(ctx, args)


def exit_codes() -> dict[int, str]:
    """Return the meaning of each exit code: the first sentence of the error's docstring.

    >>> exit_codes()[3]
    'The image cannot be read'
    """
    kinds = {kind.exit_code: _first_sentence(str(kind.__doc__)) for kind in OcrfarmError.__subclasses__()}
    others = {0: "Success", 1: "A bug in ocrfarm", 2: "The command line is wrong", INTERRUPTED: "Interrupted"}
    return dict(sorted((others | kinds).items()))


def _first_sentence(docstring: str) -> str:
    return docstring.partition("\n")[0].partition(";")[0].rstrip(".")


_EXIT_CODE_TEXT = "\n".join(f"{code:>5}  {meaning}" for code, meaning in exit_codes().items())


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nExit codes:\n{_EXIT_CODE_TEXT}",
)
@click.version_option(__version__, prog_name="ocrfarm")
@click.pass_context
def ocrfarm(context: click.Context) -> None:
    """Read every line of text in images of any size, on this machine or on a farm of workers."""
    if is_colour_disabled(os.environ):
        context.color = False


def main() -> None:
    """Run the command line and exit."""
    sys.excepthook = _report_bug
    if logging.lastResort:  # prints what libraries log
        logging.lastResort.setFormatter(TextFormatter())
    try:
        code = ocrfarm(prog_name="ocrfarm", standalone_mode=False)
    except click.ClickException as error:
        _print_usage_error(error)
        code = error.exit_code
    except OcrfarmError as error:
        print_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        echo("ocrfarm: interrupted", err=True)
        code = INTERRUPTED
    sys.exit(code or 0)


def print_error(error: OcrfarmError) -> None:
    """Print an error as one line on stderr."""
    echo(f"ocrfarm: {type(error).__name__}: {error}", err=True)


def echo(*lines: str, err: bool = False, head: str = "") -> None:
    """Print lines above the progress bars, if there are any; every command prints through this function.

    Names of files, jobs and owners may come from strangers, so characters that are not printable are escaped.

    While bars are shown, rich replaces `sys.stdout` and `sys.stderr`. The lines have to go through the replacement;
    `click.echo` would find the original stream and write into the bars.

    Args:
        *lines: The lines.
        err: Print to stderr.
        head: Text of our own, perhaps with colours, that begins the first line.
    """
    with OUTPUT_LOCK:
        stream, usual = (sys.stderr, sys.__stderr__) if err else (sys.stdout, sys.__stdout__)
        text = head + "\n".join(map(printable, lines))
        click.echo(text, err=err, file=None if stream is usual else stream)


def exit_on_sigterm() -> None:
    """Make SIGTERM end this command as Ctrl-C does, with exit code 0: what it made is removed, its farm is stopped."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))


def _print_usage_error(error: click.ClickException) -> None:
    shown = io.StringIO()
    error.message = printable(error.message)  # type: ignore[misc]  # its line breaks are gone when it is shown
    error.show(file=shown)
    echo(*shown.getvalue().rstrip("\n").split("\n"), err=True)


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    echo(f"ocrfarm: {describe_bug(error)}", err=True)


def describe_bug(error: BaseException) -> str:
    """Write the traceback of a bug to a file, and return a sentence that names the file."""
    handle, name = tempfile.mkstemp(prefix="ocrfarm-", suffix=".traceback")
    with os.fdopen(handle, "w", encoding="utf-8") as report:
        lines = "".join(traceback.format_exception(error)).split("\n")
        report.write("\n".join(map(printable, lines)))
    return f"this is a bug ({type(error).__name__}: {error}); please report it, with {Path(name)}"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    bash  add to ~/.bashrc:  eval "$(ocrfarm completion bash)"
    zsh   add to ~/.zshrc:   eval "$(ocrfarm completion zsh)"
    fish  run once:          ocrfarm completion fish > ~/.config/fish/completions/ocrfarm.fish

    \f
    Args:
        context: The context of the command, whose root command is completed.
        shell: The shell: bash, zsh or fish.
    """
    make = get_completion_class(shell)
    assert make
    click.echo(make(context.find_root().command, {}, "ocrfarm", "_OCRFARM_COMPLETE").source())
