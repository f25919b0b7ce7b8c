"""Name and version of this software, for the formats that record what wrote a file."""

from ocrfarm._version import __version__

SOFTWARE_NAME, SOFTWARE_VERSION = "ocrfarm", __version__
