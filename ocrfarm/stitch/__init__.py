"""Fragments of many tiles -> the lines of one page."""

from ocrfarm.stitch.coverage import compute_coverage, mark_excluded
from ocrfarm.stitch.second_pass import SecondPassCriteria
from ocrfarm.stitch.stitcher import select_second_pass, stitch

__all__ = ["SecondPassCriteria", "compute_coverage", "mark_excluded", "select_second_pass", "stitch"]
