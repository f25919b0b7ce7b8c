"""Fragments of many tiles -> the lines of one page."""

from ocrfarm.stitch.joining import stitch

__all__ = ["stitch"]
