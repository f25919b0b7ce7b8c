"""Who wrote a file, for the formats that say so."""

from ocrfarm._version import __version__

SOFTWARE_NAME, SOFTWARE_VERSION = "ocrfarm", __version__
