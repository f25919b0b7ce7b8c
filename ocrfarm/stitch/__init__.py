"""Fragments of many tiles -> the lines of one page."""

from ocrfarm.stitch.coverage import cover, left_out
from ocrfarm.stitch.joining import look_again, stitch

__all__ = ["cover", "left_out", "look_again", "stitch"]
