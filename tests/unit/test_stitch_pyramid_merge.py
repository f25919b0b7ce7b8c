import pytest

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.stitch import stitch
from ocrfarm.tile import Char, Fragment, Tile, TileId, TileResult

PAGE = Size(4000, 4000)
WHOLE = Box(0, 0, 4000, 4000)


def seen(text: str, x0: float, y0: float, x1: float, y1: float, sure: float = 0.95) -> Fragment:
    chars = tuple(Char(char, (at + 0.5) / len(text), sure) for at, char in enumerate(text))
    return Fragment(Quad.from_bounds(x0, y0, x1, y1), chars, sure)


def reading(level: int, *fragments: Fragment) -> TileResult:
    return TileResult(Tile(TileId(0, level, 0, 0), WHOLE, PAGE), fragments, "m")


TITLE = seen("TITLE", 500, 1000, 3000, 1600)
STROKES = (seen("I", 700, 1000, 820, 1590), seen("L", 1400, 1010, 1700, 1600), seen("T1", 600, 1100, 900, 1550, 0.6))
PRINT = tuple(seen("a row of print", 520, y, 2900, y + 60) for y in range(1000, 1600, 100))


@pytest.mark.parametrize(
    ("fine", "coarse", "texts"),
    [
        ((), (TITLE,), {"TITLE"}),
        (STROKES, (TITLE,), {"TITLE"}),  # what native tiles see of letters larger than they are
        (PRINT, (seen("E S", 500, 990, 3000, 1620, 0.9),), {"a row of print"}),  # a block of print from afar
        ((seen("TITLE", 510, 1010, 2990, 1590),), (TITLE,), {"TITLE"}),  # seen by both: once
        ((seen("label", 1500, 1200, 1700, 1240),), (TITLE,), {"TITLE", "label"}),  # a label between large letters
        (
            (seen("the whole TITLE", 500, 1000, 6000, 1600),),
            (TITLE,),
            {"the whole TITLE"},
        ),  # cut short by a coarse tile
        ((seen("A", 350, 1250, 400, 1310),), (TITLE,), {"TITLE", "A"}),  # beside its start
        ((seen("next", 500, 1700, 700, 1760),), (TITLE,), {"TITLE", "next"}),
        ((), (seen("m", 500, 1000, 900, 1300, 0.9),), set()),  # a blot
        ((), (seen("A", 500, 1000, 900, 1300, 0.99),), {"A"}),
        ((), (seen("?!", 500, 1000, 900, 1300, 0.6),), set()),
        ((seen("faint", 500, 1000, 700, 1050, 0.2),), (), {"faint"}),  # the finest level keeps what it saw
    ],
)
def test_large_letters_come_from_the_coarse_level(
    fine: tuple[Fragment, ...], coarse: tuple[Fragment, ...], texts: set[str]
) -> None:
    readings = [reading(0, *fine), reading(3, *coarse)]
    assert {line.text for line in stitch(PAGE, readings)} == texts
    assert stitch(PAGE, reversed(readings)) == stitch(PAGE, readings)


def test_each_level_may_correct_the_one_before() -> None:
    readings = [reading(0, *STROKES), reading(3, seen("TIT", 500, 1000, 2000, 1600)), reading(6, TITLE)]
    assert [line.text for line in stitch(PAGE, readings)] == ["TITLE"]
