"""Which constants of stitching `scripts/bench calibrate` changes, and to which values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sweep:
    """A constant, as module.NAME of `ocrfarm.stitch`, and the values to try in place of its own."""

    name: str
    values: tuple[float, ...]

    @property
    def constant(self) -> str:
        """The name without its module."""
        return self.name.rpartition(".")[2]


def _sweep(name: str, *values: float) -> Sweep:
    return Sweep(name, values)


SWEEPS = (
    _sweep("fragment_table.CANDIDATE_REACH", 0.2, 0.5, 1.2),
    _sweep("matching.MAX_ANGLE_SINE", 0.035, 0.07, 0.2, 0.35),
    _sweep("matching.MIN_ANGLE_LENGTH", 0, 1, 3, 5),
    _sweep("matching.MIN_HEIGHT_RATIO", 0.3, 0.45, 0.65, 0.8),
    _sweep("matching.MAX_AXIS_OFFSET", 0.15, 0.25, 0.5, 0.6),
    _sweep("matching.MAX_AXIS_OFFSET_SAME_TEXT", 0.4, 0.5, 0.65, 0.9),
    _sweep("matching.MIN_VIEW_OVERLAP", 0.1, 0.2, 0.6, 1.0),
    _sweep("matching.MIN_LETTER_OVERLAP", 0, 0.3, 0.6),
    _sweep("matching.MATCH_END_TOLERANCE", 0.3, 0.6, 1.2, 2.0),
    _sweep("matching.MIN_CONTAINED_SHARE", 0.4, 0.55, 0.85, 0.95),
    _sweep("matching.MAX_CUT_END_GAP", 0.2, 0.5, 1.1, 1.6),
    _sweep("matching.MIN_CONFLICT_OVERLAP", 0.1, 0.3, 0.7, 0.9),
    _sweep("truncation.NEAR_BORDER_PIXELS", 6, 10, 24, 40),
    _sweep("truncation.NEAR_BORDER_HEIGHTS", 0.35, 0.7, 1.5, 2.5),
    _sweep("truncation.TRUNCATED_PIXELS", 2, 4, 10, 16),
    _sweep("truncation.TRUNCATED_HEIGHTS", 0.1, 0.2, 0.5, 0.8),
    _sweep("truncation.RELIABLE_DEPTH", 16, 32, 96, 160),
    _sweep("chain.REFIT_RATIO", 1.0, 1.1, 1.8, 100),
    _sweep("chain.CHAIN_END_TOLERANCE", 0.2, 0.35, 0.75, 1.0),
    _sweep("chain.MAX_CHAIN_GAP", 0, 0.5, 1.5, 2.5),
    _sweep("chain.PREFERRED_OVERLAP", 0, 0.75, 2.5, 4),
    _sweep("chain.MAX_TURNED_COVERED_SHARE", 0.2, 0.4, 0.8, 0.95),
    _sweep("chain.MIN_SHOWN_SHARE", 0.2, 0.35, 0.7, 0.9),
    _sweep("chain.MAX_HIDDEN_LENGTH", 0, 0.2, 0.7, 1.5),
    _sweep("chain.MIN_UPRIGHT_COSINE", 0.3, 0.5, 0.87, 0.97),
    _sweep("alignment.MAX_CHAR_OFFSET", 0.15, 0.3, 0.6, 0.9),
    _sweep("alignment.ALIGNMENT_WINDOW", 1, 2, 4, 16),
    _sweep("alignment.WINDOW_SLACK", 0, 0.15, 0.6),
    _sweep("alignment.DISTANCE_PENALTY", 0, 0.1, 0.5, 1.0),
    _sweep("alignment.UNRELIABLE_MARGIN", 0, 0.3, 0.9, 1.5),
    _sweep("alignment.MIN_WORD_GAP", 0.6, 0.8, 1.1, 1.4),
    _sweep("alignment.SAME_CHAR_DISTANCE", 0.05, 0.1, 0.3, 0.5),
    _sweep("alignment.MIN_SHARED_TEXT", 0.2, 0.4, 0.8, 1.0),
    _sweep("suppression.MAX_COVERED_SHARE", 0.3, 0.45, 0.75, 0.9),
    _sweep("suppression.MAX_PARTIAL_COVERED_SHARE", 0.2, 0.35, 0.65, 0.8),
    _sweep("suppression.PARTIAL_BOX_SLACK", 0, 0.1, 0.4, 0.8),
    _sweep("suppression.MIN_TRUNCATED_LENGTH", 0.5, 1, 3, 5),
    _sweep("suppression.MIN_NEAR_BORDER_LENGTH", 0, 0.5, 1.5, 2.5),
    _sweep("pyramid_merge.MIN_RELIABLE_CONFIDENCE", 0.5, 0.65, 0.85, 0.95),
    _sweep("pyramid_merge.MIN_COARSE_CONFIDENCE", 0.5, 0.7, 0.9, 0.97),
    _sweep("pyramid_merge.MIN_SINGLE_CHAR_CONFIDENCE", 0.8, 0.9, 0.98),
    _sweep("pyramid_merge.MAX_SMALL_TEXT_HEIGHT", 0.2, 0.3, 0.5, 0.7),
    _sweep("pyramid_merge.MAX_SMALL_TEXT_SHARE", 0.02, 0.08, 0.25, 0.5),
    _sweep("pyramid_merge.MIN_SAME_LINE_LENGTH", 0.3, 0.5, 0.85, 0.95),
    _sweep("pyramid_merge.INSIDE_MARGIN", 0, 0.1, 0.25),
)
"""Constants that decide without a second pass."""

SECOND_PASS_SWEEPS = (
    _sweep("second_pass.MIN_SEAM_AGREEMENT", 0.5, 0.8),
    _sweep("second_pass.MIN_SEAM_ANCHORS", 1, 2, 4, 6),
    _sweep("second_pass.MIN_SEAM_CONFIDENCE", 0.3, 0.45, 0.75, 0.9),
    _sweep("second_pass.SEAM_CHARS", 1, 3, 4),
    _sweep("second_pass.MIN_VIEW_CONFIDENCE", 0.3, 0.45, 0.75, 0.9),
    _sweep("second_pass.MIN_SEARCH_SIDE", 256, 384, 768),
    _sweep("second_pass.LINE_MARGIN", 0.25, 1.0),
    _sweep("second_pass.DEFERRED_LINE_MARGIN", 1.0, 4.0),
    _sweep("second_pass.MAX_DRIFT", 0, 0.02, 0.1, 0.2),
    _sweep("second_pass.MIN_NEIGHBOUR_COVERED_SHARE", 0.5, 0.8, 0.99),
    _sweep("second_pass.NEIGHBOUR_BOX_SLACK", 0, 0.1, 0.5),
    _sweep("lines.ZONE_MARGIN", 0, 0.25, 1.0, 2.0),
    _sweep("lines.MAX_CONFIDENCE_LOSS", 0, 0.02, 0.1, 0.2),
    _sweep("lines.MIN_COMMON_SHARE", 0.3, 0.5, 0.85, 0.95),
)
"""Constants that decide what is read again, and what of it counts."""

LAYOUT_SWEEPS = (
    _sweep("reading_order.MAX_ROW_OFFSET", 0.2, 0.35, 0.65, 0.9),
    _sweep("reading_order.MIN_GUTTER", 0.4, 0.7, 1.3, 2.0),
    _sweep("reading_order.MAX_CROSSING_RATIO", 0, 0.1, 0.5, 1.0),
    _sweep("reading_order.MIN_COLUMN_LINES", 2, 4, 6),
    _sweep("reading_order.MAX_CELL_OFFSET", 0.1, 0.18, 0.35, 0.5),
    _sweep("reading_order.MIN_TABLE_SHARE", 0.4, 0.55, 0.85, 0.95),
    _sweep("reading_order.MIN_RUNNING_TEXT_LENGTH", 3, 5, 12, 16),
    _sweep("reading_order.MIN_LENGTH_UNIFORMITY", 0.5, 0.65, 0.9, 0.97),
)
"""Constants that decide in which order lines are read."""
