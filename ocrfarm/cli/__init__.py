"""The command line: each module holds the commands of one topic and is imported when one of them is used."""

from ocrfarm.cli.main import main

__all__ = ["main"]
