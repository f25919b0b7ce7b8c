"""Fragments of many tiles -> the lines of one page.

`stitcher` has the steps in order. What went wrong says where to look:

     a line twice, or half a line beside the whole one     matching, suppression
     two lines or two cells as one                         matching
     a line in two parts                                   truncation, matching, chain
     a wrong, lost or doubled letter at a seam             alignment
     the second pass reads the wrong places, or to no use  second_pass, lines
     rubbish in large letters, or none of them             pyramid_merge
     lines in a wrong order                                reading_order
     a wrong gap                                           coverage
"""

from ocrfarm.stitch.coverage import compute_coverage, mark_excluded
from ocrfarm.stitch.second_pass import SecondPassCriteria
from ocrfarm.stitch.stitcher import select_second_pass, stitch

__all__ = ["SecondPassCriteria", "compute_coverage", "mark_excluded", "select_second_pass", "stitch"]
