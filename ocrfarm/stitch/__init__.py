"""Fragments of many tiles -> the lines of one page."""

from ocrfarm.stitch.coverage import cover, left_out
from ocrfarm.stitch.doubts import Doubt
from ocrfarm.stitch.joining import look_again, stitch

__all__ = ["Doubt", "cover", "left_out", "look_again", "stitch"]
