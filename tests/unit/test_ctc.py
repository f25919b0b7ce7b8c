import numpy as np
import pytest
from numpy.typing import NDArray

from ocrfarm.recognize.ctc import Alphabet, decode
from ocrfarm.tile import Char

COLON = "\uff1a"  # full width
ALPHABET = Alphabet(["blank", "a", "b", " ", COLON, "中", "1", "."], 3)
STEP, HEIGHT = 8, 48  # pixels


def probabilities(path: str, space: float = 0.0) -> NDArray[np.float32]:
    """One time step a letter, "-" for blank, at 0.9; `space` is how much the model believes in one everywhere."""
    steps = np.zeros((len(path), len(ALPHABET.classes)), np.float32)
    steps[:, ALPHABET.space] = space
    for step, letter in enumerate(path):
        steps[step, 0 if letter == "-" else ALPHABET.classes.index(letter)] = 0.9
    return steps


def read(path: str, *, columns: int | None = None, space: float = 0.0) -> tuple[Char, ...]:
    """Decode a line on which every letter fills its time step with ink."""
    ink = np.repeat([letter not in "- " for letter in path[:columns]], STEP)
    return decode(probabilities(path, space), ALPHABET, ink=ink, step=STEP, height=HEIGHT)


def text(chars: tuple[Char, ...]) -> str:
    return "".join(char.text for char in chars)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("---", ""), ("aab", "ab"), ("a-a", "aa"), ("-a- -b-", "a b"), ("aaaa", "a"), ("ab", "ab")],
)
def test_runs_are_characters_and_blanks_are_not(path: str, expected: str) -> None:
    assert text(read(path)) == expected


def test_a_character_is_in_the_middle_of_its_run() -> None:
    a, b = read("--aa--b-")
    assert a.position == pytest.approx(3 / 8)
    assert b.position == pytest.approx(6.5 / 8)
    assert a.confidence == pytest.approx(0.9)


def test_places_are_measured_on_the_line_without_its_padding() -> None:
    (a,) = read("-a------", columns=2)
    assert a.position == pytest.approx(0.75)


def test_no_place_is_beyond_the_line() -> None:
    (a,) = read("---a", columns=2)
    assert a.position == 1.0


@pytest.mark.parametrize(
    ("path", "space", "expected"),
    [
        ("ab-ab", 0.2, "ab ab"),  # a sixth of a height apart, and the model half saw a space
        ("ab-ab", 0.05, "abab"),  # ... but hardly saw one
        ("ab--ab", 0.02, "ab ab"),  # twice as far apart
        ("ab--ab", 0.005, "abab"),
        ("ab", 0.3, "ab"),  # no room
        ("ab-1b", 0.15, "ab1b"),  # a "1" has white beside it anyway
        ("a--b--a--b--a--b", 0.12, "ababab"),  # a wide font
        ("a-b-a-b----a-b-a", 0.1, "abab aba"),
        ("1.-1ab", 0.3, "1.1ab"),  # the point of a number
        ("1-.1ab", 0.3, "1.1ab"),
        ("a.-bab", 0.3, "a. bab"),
        ("ab中----中", 0.3, "ab中中"),  # Han text has no spaces
        ("a- -b", 0.3, "a b"),  # the model saw it: not put in twice
    ],
)
def test_a_lost_space_is_put_back_where_there_is_room_for_it(path: str, space: float, expected: str) -> None:
    assert text(read(path, space=space)) == expected


def test_full_width_punctuation_stays_only_beside_han() -> None:
    assert text(read(f"a{COLON}")) == "a:"
    assert text(read(f"中{COLON}")) == f"中{COLON}"
