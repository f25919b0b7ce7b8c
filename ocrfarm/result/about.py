"""Who wrote a file, for the formats that say so."""

from importlib.metadata import version

SYSTEM, VERSION = "ocrfarm", version("ocrfarm")
