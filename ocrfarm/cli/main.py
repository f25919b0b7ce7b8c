"""`ocrfarm`: finds the command, runs it and turns errors into one line and an exit code."""

import importlib
import os
import sys
import tempfile
import traceback
from difflib import get_close_matches
from pathlib import Path
from threading import RLock
from types import TracebackType

import click

from ocrfarm._version import __version__
from ocrfarm.errors import OcrfarmError
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
    "jobs": "jobs",
    "top": "top",
    "up": "up",
    "worker": "worker",
    "doctor": "doctor",
    "bench": "bench",
    "tune": "tune",
    "models": "models",
    "sample": "sample",
    "completion": "completion",
}
"""Command -> module of this package that holds it."""

OUTPUT_LOCK = RLock()
"""Held while a row is printed, and while bars are drawn: both move the cursor."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells (128 + SIGINT)."""


class _Commands(click.Group):
    """Imports a command's module when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"ocrfarm.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if (
            args[0] not in _COMMANDS
            and (near := get_close_matches(args[0], _COMMANDS, 1))
            and not ctx.resilient_parsing
        ):
            ctx.fail(f"No such command {args[0]!r}; did you mean {near[0]}?")
        return super().resolve_command(ctx, args)


def exit_codes() -> dict[int, str]:
    """Return the meaning of each exit code: the first sentence of the error's docstring."""
    kinds = {kind.exit_code: _first_sentence(str(kind.__doc__)) for kind in OcrfarmError.__subclasses__()}
    others = {0: "All is well", 1: "An error of ocrfarm's own", 2: "A wrong command line", INTERRUPTED: "Interrupted"}
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
    """Read every line of text on images of any size, spread over a farm of workers."""
    if is_colour_disabled(os.environ):
        context.color = False


def main() -> None:
    """Run the command line and exit."""
    sys.excepthook = _report_bug
    try:
        code = ocrfarm(prog_name="ocrfarm", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except OcrfarmError as error:
        print_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("ocrfarm: interrupted", err=True)
        code = INTERRUPTED
    sys.exit(code or 0)


def print_error(error: OcrfarmError) -> None:
    """Say in one line what went wrong."""
    echo(f"ocrfarm: {type(error).__name__}: {error}", err=True)


def echo(text: str, *, err: bool = False) -> None:
    """Print a text; above the bars while there are any, through the stream that they put in the place of the usual one.

    Left to itself, click looks for the stream behind that and writes into the bars.
    """
    with OUTPUT_LOCK:
        stream, usual = (sys.stderr, sys.__stderr__) if err else (sys.stdout, sys.__stdout__)
        click.echo(text, err=err, file=None if stream is usual else stream)


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Keep the traceback of a bug in a file and tell the user where."""
    handle, name = tempfile.mkstemp(prefix="ocrfarm-", suffix=".traceback")
    with os.fdopen(handle, "w") as report:
        traceback.print_exception(kind, error, trace, file=report)
    click.echo(f"ocrfarm: this is a bug: {kind.__name__}: {error}; please report it with {Path(name)}", err=True)
