"""Who wrote a file, for the formats that say so."""

from importlib.metadata import version

SOFTWARE_NAME, SOFTWARE_VERSION = "ocrfarm", version("ocrfarm")
