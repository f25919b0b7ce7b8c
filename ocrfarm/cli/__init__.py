"""The command line: one file a group of commands, loaded when its command is used."""

from ocrfarm.cli.main import main

__all__ = ["main"]
