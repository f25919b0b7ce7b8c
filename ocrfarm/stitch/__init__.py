"""Fragments of many tiles -> the lines of one page."""

from ocrfarm.stitch.coverage import cover
from ocrfarm.stitch.joining import look_again, stitch

__all__ = ["cover", "look_again", "stitch"]
