"""Awkward cases of stitching, one by one."""

from collections.abc import Sequence

import pytest

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch import stitch
from ocrfarm.stitch.fragment_table import build_fragment_table
from ocrfarm.stitch.stitcher import join_fragments
from ocrfarm.stitch.truncation import NEAR_BORDER, TRUNCATED, WHOLE, find_truncation
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

PAGE = Size(2000, 1000)
LEFT, RIGHT = Box(0, 0, 1100, 1000), Box(900, 0, 2000, 1000)
TOP, BOTTOM = Box(0, 0, 2000, 600), Box(0, 400, 2000, 1000)


def seen(  # each argument is a fact about the fragment
    text: str, x0: float, y0: float, x1: float, y1: float, confidence: float = 0.95
) -> Fragment:
    """Give a horizontal fragment with its characters evenly spread."""
    chars = tuple(Char(char, (k + 0.5) / len(text), confidence) for k, char in enumerate(text))
    return Fragment(Quad.from_bounds(x0, y0, x1, y1), chars, confidence)


def read(*tiles: tuple[Box, Sequence[Fragment]], models: Sequence[str] = (), page: Size = PAGE) -> list[TileResult]:
    """Give the readings of tiles side by side."""
    return [
        TileResult(Tile(TileId(0, 0, 0, number), box, page), tuple(fragments), [*models, *["m"] * len(tiles)][number])
        for number, (box, fragments) in enumerate(tiles)
    ]


def texts(readings: Sequence[TileResult], page: Size = PAGE) -> list[str]:
    return [line.text for line in stitch(page, readings)]


def test_a_line_over_a_border_is_one() -> None:
    left, right = seen("the quick brow", 820, 100, 1100, 130), seen("quick brown fox", 900, 100, 1200, 130)
    [line] = stitch(PAGE, read((LEFT, [left]), (RIGHT, [right])))
    assert line.text == "the quick brown fox"
    assert line.quad == Quad.from_bounds(820, 100, 1200, 130)
    assert [(word.text, round(word.quad.p0[0]), round(word.quad.p1[0])) for word in line.words] == [
        ("the", 820, 880),
        ("quick", 900, 1000),
        ("brown", 1020, 1120),
        ("fox", 1140, 1200),
    ]


def test_a_letter_cut_in_half_is_read_where_it_is_whole() -> None:
    left, right = seen("the quick browi", 800, 100, 1100, 130, 0.99), seen("iick brown fox", 900, 100, 1180, 130)
    assert texts(read((LEFT, [left]), (RIGHT, [right]))) == ["the quick brown fox"]


@pytest.mark.parametrize(
    ("fragment", "grades", "sliced"),
    [
        (seen("abc", 300, 521, 500, 561), (WHOLE, WHOLE), False),  # whole, and not far from the lower border
        (seen("abc", 300, 558, 500, 598), (WHOLE, WHOLE), True),
        (seen("abc", 300, 300, 1100, 340), (WHOLE, TRUNCATED), False),
        (seen("abc", 300, 300, 1070, 340), (WHOLE, NEAR_BORDER), False),  # the border may stand between two words
        (seen("abc", 300, 300, 1050, 340), (WHOLE, WHOLE), False),
        (seen("abc", 2, 2, 500, 42), (WHOLE, WHOLE), False),  # the page's own edges cut nothing
        (
            Fragment(Quad.from_points([(400, 600), (400, 200), (440, 200), (440, 600)]), (), 0.9),
            (TRUNCATED, WHOLE),
            False,
        ),
        (
            Fragment(Quad.from_points([(100, 300), (700, 578), (690, 598), (90, 320)]), (), 0.9),
            (WHOLE, TRUNCATED),
            False,
        ),
        (
            Fragment(Quad.from_points([(100, 500), (900, 560), (897, 598), (97, 538)]), (), 0.9),
            (WHOLE, TRUNCATED),
            False,
        ),  # aslant
    ],
)
def test_ends_are_graded_by_their_distance_to_the_border(
    fragment: Fragment, grades: tuple[int, int], sliced: bool
) -> None:
    fragment = Fragment(fragment.quad, seen("abc", 0, 0, 1, 1).chars, 0.9)
    pieces = build_fragment_table(PAGE, read((Box(0, 0, 1100, 600), [fragment])))
    cuts = find_truncation(pieces)
    assert (tuple(cuts.grade[0].tolist()), bool(cuts.cut_lengthwise[0])) == (grades, sliced)


def test_a_border_between_two_words() -> None:
    left, right = seen("one two", 880, 100, 1080, 130), seen("two three", 980, 100, 1250, 130)
    assert texts(read((LEFT, [left]), (RIGHT, [right]))) == ["one two three"]


def test_a_view_that_the_chain_does_not_show_is_kept() -> None:
    left = [seen("one", 700, 100, 760, 130), seen("two", 1000, 100, 1060, 130)]
    right = [seen("two three", 1000, 100, 1180, 130)]
    assert texts(read((LEFT, left), (RIGHT, right))) == ["one", "two three"]


def test_two_cells_of_one_tile_are_not_joined() -> None:
    left = [seen("12.50", 960, 100, 1020, 130), seen("7.", 1030, 100, 1054, 130)]
    right = [seen("12.50", 960, 100, 1020, 130), seen("7.00", 1030, 100, 1078, 130)]
    assert texts(read((LEFT, left), (RIGHT, right))) == ["12.50", "7.00"]


def test_words_grouped_differently_come_once() -> None:
    left = [seen("one two", 950, 100, 1090, 130)]
    right = [seen("one", 950, 100, 1010, 130), seen("two", 1030, 100, 1090, 130)]
    assert texts(read((LEFT, left), (RIGHT, right))) == ["one two"]


def test_slices_of_a_line_are_dropped() -> None:
    upper = [seen("Total amount", 300, 560, 540, 590)]
    lower = [seen("-~__.~-~", 300, 575, 540, 590), seen("Total amount", 300, 560, 540, 590)]
    whole, half = Box(0, 0, 2000, 700), Box(0, 575, 2000, 1000)
    assert texts(read((whole, upper), (half, lower[:1]))) == ["Total amount"]


def test_a_slice_that_nobody_else_saw_is_kept() -> None:
    assert texts(read((BOTTOM, [seen("Total", 300, 402, 400, 430)]))) == ["Total"]


def test_a_last_tile_moved_inwards_overlaps_more() -> None:
    text = "abcdefghijklmnopqrstuvwxyz0123456789"
    middle, last = Box(800, 0, 1800, 1000), Box(1000, 0, 2000, 1000)
    one, two = seen(text[:30], 1200, 100, 1800, 130), seen(text, 1200, 100, 1920, 130)
    assert texts(read((middle, [one]), (last, [two]))) == [text]


def test_four_views_in_a_corner_give_one_line() -> None:
    corners = [Box(0, 0, 1100, 600), Box(900, 0, 2000, 600), Box(0, 400, 1100, 1000), Box(900, 400, 2000, 1000)]
    jitter = [(0, 0), (2, 1), (-1, 2), (1, -2)]
    views = [
        seen("0.00 100.00 0.0", 800 + dx, 480 + dy, 1100 + dx, 510 + dy)
        if box.x0 == 0
        else seen(".00 0.00 0.00", 960 + dx, 480 + dy, 1220 + dx, 510 + dy)
        for box, (dx, dy) in zip(corners, jitter, strict=True)
    ]
    assert texts(read(*((box, [view]) for box, view in zip(corners, views, strict=True)))) == ["0.00 100.00 0.00 0.00"]


def test_rows_that_touch_stay_apart() -> None:
    rows = [(f"row {k} of a dense text", 100.0 + 30 * k) for k in range(12)]
    left = [seen(text[:11], 880, y, 1100, y + 30) for text, y in rows]
    right = [seen(text[1:], 900, y + 6, 1280, y + 36) for text, y in rows]
    assert texts(read((LEFT, left), (RIGHT, right))) == [text for text, _ in rows]


def test_tiles_that_only_touch_are_joined_without_a_common_letter() -> None:
    left, right = seen("one two thr", 780, 100, 1000, 130), seen("ee four", 1000, 100, 1140, 130)
    boxes = Box(0, 0, 1000, 1000), Box(1000, 0, 2000, 1000)
    readings = read((boxes[0], [left]), (boxes[1], [right]))
    assert texts(readings) == ["one two three four"]
    assert [(line.anchors, line.agreement) for line in join_fragments(build_fragment_table(PAGE, readings))] == [
        (0, 0.0)
    ]


def test_a_space_that_no_tile_saw() -> None:
    left, right = seen("one two", 860, 100, 1000, 130), seen("three", 1012, 100, 1112, 130)
    assert texts(read((Box(0, 0, 1002, 1000), [left]), (Box(1010, 0, 2000, 1000), [right]))) == ["one two three"]


def test_han_text_gets_no_spaces_and_one_word_a_character() -> None:
    left, right = seen("\u53d1\u7968\u53f7", 1010, 100, 1100, 130), seen("\u53f7\u7801", 1070, 100, 1130, 130)
    [line] = stitch(PAGE, read((LEFT, [left]), (RIGHT, [right])))
    assert line.text == "\u53d1\u7968\u53f7\u7801"
    assert [word.text for word in line.words] == list(line.text)
    assert [round(word.quad.p0[0]) for word in line.words] == [1010, 1040, 1070, 1100]


def test_a_vertical_line_over_a_border() -> None:
    def upwards(text: str, low: float, high: float) -> Fragment:
        return Fragment(
            Quad.from_points([(500, low), (500, high), (530, high), (530, low)]), seen(text, 0, 0, 1, 1).chars, 0.9
        )

    upper, lower = upwards("cdefgh", 600, 480), upwards("abcde", 640, 540)
    [line] = stitch(PAGE, read((TOP, [upper]), (Box(0, 400, 2000, 1000), [lower])))
    assert line.text == "abcdefgh"
    assert line.quad == Quad.from_points([(500, 640), (500, 480), (530, 480), (530, 640)])


def test_a_view_read_the_wrong_way_round_is_outvoted() -> None:
    quad = Quad.from_bounds(950, 100, 1040, 130).rotate_180()
    flipped = Fragment(quad, seen("oml", 0, 0, 1, 1).chars, 0.5)
    readings = read((LEFT, [seen("Total", 940, 100, 1040, 130)]), (RIGHT, [flipped]))
    assert texts(readings) == ["Total"]
    assert [line.has_turned_view for line in join_fragments(build_fragment_table(PAGE, readings))] == [True]


def test_a_stump_where_another_tile_saw_nothing_is_dropped() -> None:
    stump = seen("I", 1090, 300, 1100, 330)
    assert texts(read((LEFT, [stump]), (RIGHT, [seen("far away", 1500, 300, 1600, 330)]))) == ["far away"]
    assert texts(read((LEFT, [stump]))) == ["I"]


def test_the_deepest_of_two_whole_views_is_taken() -> None:
    left, right = seen("near the bor", 920, 100, 1060, 130), seen("near the border", 920, 100, 1060, 130)
    boxes = Box(0, 0, 1095, 1000), Box(600, 0, 2000, 1000)
    assert texts(read((boxes[0], [left]), (boxes[1], [right]))) == ["near the border"]


def test_the_model_that_read_most_is_named() -> None:
    left, right = seen("the quick brow", 820, 100, 1100, 130), seen("quick brown fox jumps", 900, 100, 1320, 130)
    [line] = stitch(PAGE, read((LEFT, [left]), (RIGHT, [right]), models=["a", "b"]))
    assert (line.text, line.model) == ("the quick brown fox jumps", "b")


def test_confidence_is_the_mean_over_the_letters() -> None:
    chars = (Char("a", 0.2, 0.8), Char(" ", 0.5, 0.1), Char("b", 0.8, 0.6))
    [line] = stitch(PAGE, read((LEFT, [Fragment(Quad.from_bounds(10, 10, 60, 30), chars, 0.5)])))
    assert line.confidence == pytest.approx(0.7)
    assert [word.quad for word in line.words] == [
        Quad.from_bounds(10, 10, 27.5, 30),
        Quad.from_bounds(42.5, 10, 60, 30),
    ]


def test_a_line_neither_begins_nor_ends_with_a_space() -> None:
    [line] = stitch(PAGE, read((LEFT, [seen(" EL. +12.450 ", 100, 100, 360, 130)])))
    assert line.text == "EL. +12.450"
    assert [word.text for word in line.words] == ["EL.", "+12.450"]


def test_text_of_spaces_and_text_off_the_page_is_nothing() -> None:
    assert texts(read((LEFT, [seen("  ", 10, 10, 60, 30), seen("abc", -90, 10, -20, 30)]))) == []


def test_the_parts_of_a_tile_are_tiles_of_their_own() -> None:
    boxes = [Box(0, 0, 600, 600), Box(400, 0, 1000, 600), Box(0, 400, 600, 1000), Box(400, 400, 1000, 1000)]
    size = Size(1000, 1000)
    views = [seen("across the", 400, 100, 600, 130), seen("across the parts", 400, 100, 720, 130)]
    readings = [
        TileResult(Tile(TileId(0, 0, 0, 0, str(k)), box, size), (views[k],) if k < 2 else (), "m")
        for k, box in enumerate(boxes)
    ]
    assert texts(readings, size) == ["across the parts"]


def test_a_tile_read_twice_in_two_ways_counts_once() -> None:
    [one] = read((LEFT, [seen("one", 100, 100, 160, 130)]))
    [two] = read((LEFT, [seen("two", 500, 100, 560, 130)]))
    assert texts([one, two]) == texts([two, one])
    assert len(texts([one, two])) == 1


def test_reading_order_is_by_row_and_by_angle() -> None:
    label = Fragment(
        Quad.from_points([(20, 900), (20, 700), (50, 700), (50, 900)]), seen("label", 0, 0, 1, 1).chars, 0.9
    )
    cells = [seen("b2", 600, 205, 700, 235), seen("a1", 100, 100, 200, 130), seen("b1", 100, 200, 200, 230)]
    assert texts(read((LEFT, [label, *cells, seen("a2", 600, 94, 700, 124)]))) == ["a1", "a2", "b1", "b2", "label"]
