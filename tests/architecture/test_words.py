"""One word for one thing: words that the project no longer uses, and what it says instead.

The project uses the field's terms: image, text height, second pass, dead letter, worker registry, requeue. Everyday
verbs stay allowed ("look at the image", "left of the tile"); only the old name of a thing is refused.
"""

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.source_tree import tracked_texts

NOT_SEARCHED = re.compile(r"CHANGELOG\.md|LICENSE|.*\.lock|.*package-lock\.json|tests/architecture/test_words\.py")
"""The changelog names what was renamed; locks are written by programs."""


@dataclass(frozen=True)
class OldWord:
    """A pattern that no text may hold.

    pattern: a regular expression.
    instead: what the project says.
    refused, allowed: texts that the pattern must and must not find, which shows that it works.
    """

    pattern: str
    instead: str
    refused: tuple[str, ...]
    allowed: tuple[str, ...] = ()

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Return every place where the pattern matches."""
        return re.finditer(self.pattern, text)


def _word(word: str) -> str:
    """Return a pattern of a word and its plural, also where it is a part of an identifier."""
    either = f"(?:{word}|{word.capitalize()}|{word.upper()})"
    return rf"(?<![A-Za-z</]){either}[sS]?(?![a-z])|(?<=[a-z]){word.capitalize()}s?(?![a-z])"


def _variables(*names: str) -> str:
    return rf"\bOCRFARM_(?:{'|'.join(names)})\b"


def _modules(package: str, names: str) -> str:
    """Return a pattern of modules as a path, as a dotted name or in an import."""
    either = "|".join(names.split())
    path = rf"(?:ocrfarm/)?{package}/(?:{either})\.py\b|\bocrfarm\.{package}\.(?:{either})\b(?!\()"
    return rf"{path}|\bfrom ocrfarm\.{package} import (?:\w+, )*(?:{either})\b"


WORDS = [
    OldWord(
        _word("picture"),
        "image",
        ("a picture of", "PICTURES", "save_picture(", "--picture", "NoPicture", "picture.js", "pictureSize"),
        ("<picture>", "</picture>", "images", "depicture"),
    ),
    OldWord(r"(?i:print[-_ ]heights?)", "text height", ("the print height", "print_height(")),
    OldWord(
        r"(?i:second[-_ ]looks?\b)|\bLookKind\b",
        "second pass",
        ("a second look", "second_look", "LookKind"),
        ("look at the second page", "a second pass"),
    ),
    OldWord(_word("ledger"), "journal", ("the ledger", "--ledger", "LEDGER_NAME")),
    OldWord(_word("roster"), "worker registry", ("roster.py", "the roster")),
    OldWord(_word("upkeep"), "recovery", ("upkeep.py", "Upkeep(")),
    OldWord(
        r"farm[./]letters\b|\bfrom ocrfarm\b.*\bimport .*\b(?:letters|Letter)\b|\b[Bb](?:ury|uried)\b",
        "dead letter",
        ("ocrfarm/farm/letters.py", "from ocrfarm.farm import letters", "the tile is buried"),
        ("letters larger than a tile", "a dead letter", "class LetterHeight"),
    ),
    OldWord(
        r"\bfrom ocrfarm\b.*\bimport .*\bCounter\b|\bclass Counter\b|\._?farm\.counter\b|" + _word("desk"),
        "submitter, server state",
        ("from ocrfarm.farm.submit import Counter", "class Counter:", "self._farm.counter.submit", "TheDesk", "a desk"),
        ("from collections import Counter", "a counter of the farm", "desktop"),
    ),
    OldWord(
        r"\b_?MOST(?:_[A-Z]\w*)?\b",
        "MAX_...",
        ("MOST_JOBS", "_MOST_TILES", "const MOST = 4;"),
        ("memory_most", "most_common("),
    ),
    OldWord(
        _variables(
            "MOST_JOBS|MOST_TILES|KEEP_[A-Z]+|UNREAD_SECONDS|STUCK_SECONDS|RECONCILE_SECONDS|REVIVALS|ATTEMPTS",
            "(?:RECOGNIZE|SPLIT|LOAD|SHUTDOWN)_SECONDS|(?:RECOGNIZE|SPLIT)_MEGABYTES|TRACES|MODELS|CACHE|HEALTH|PREFIX",
            "URL_SOURCES|API_OPEN|API_RATE|API_BYTES|API_JOBS|API_SECONDS",
        ),
        "the settings of `ocrfarm/settings.py`",
        (
            "OCRFARM_MOST_JOBS=1",
            "OCRFARM_KEEP_COMPLETE",
            "OCRFARM_ATTEMPTS",
            "OCRFARM_CACHE",
            "OCRFARM_SPLIT_MEGABYTES",
        ),
        ("OCRFARM_MAX_ATTEMPTS", "OCRFARM_CACHE_DIR", "OCRFARM_API_RATE_LIMIT", "OCRFARM_KEY_PREFIX"),
    ),
    OldWord(
        r"ocrfarm_(?:troubles|stage_seconds|queue_oldest_seconds|tiles_left|jobs_unfinished|worker_children)"
        r"|ocrfarm_unacked_messages\{lane|gpu_busy_ratio|Ocrfarm(?:TilesBegunAgain|QueueOld)\b|\bfruitless\b",
        "the metrics of `docs/monitoring.md`",
        ("ocrfarm_troubles_total", "ocrfarm_tiles_left{", "OcrfarmQueueOld", "ocrfarm_stage_seconds_bucket"),
        ("ocrfarm_stage_duration_seconds", "ocrfarm_tiles_pending", "OcrfarmQueueOldest"),
    ),
    OldWord(
        r"(?<![\w-])--(?:again|at-once|drift|pictures?|ledger)(?![\w-])"
        r"|\bocrfarm (?:[\w./-]+ )*--(?:jobs|folder|minutes|seconds|short|side|tile)(?![\w-])|\bocrfarm result\b",
        "the options of `docs/command-line.md`",
        (
            "read --again",
            "--at-once 4",
            "ocrfarm up --folder DATA",
            "ocrfarm doctor --short",
            "ocrfarm sample --side 8",
            "ocrfarm result JOB",
        ),
        (
            "git rev-parse --short",
            "ocrfarm read --tile-size 1024",
            "scripts/bench soak --duration 3600",
            "--force",
            "ocrfarm resultant",
        ),
    ),
    OldWord(
        r"\bocrfarm[./](?:cores|folding|sketch|scope|report|pieces|trial|api)(?:\.py\b|/|\b(?!\w*\())"
        r"|\bfrom ocrfarm import (?:\w+, )*(?:cores|folding|sketch|scope|report|pieces|trial)\b",
        "the modules that are there",
        (
            "ocrfarm/trial/",
            "from ocrfarm.scope import Scope",
            "ocrfarm/pieces.py",
            "from ocrfarm import errors, pieces",
        ),
        ("ocrfarm[api]", "ocrfarm/benchmark/", "ocrfarm.apiary"),
    ),
    OldWord(
        _modules(
            "farm",
            "flow stage steps wire attempts tries budget census depths fetch labels letters local looks meters orphans"
            " outside progress remember revive reconcile roster services traces upkeep watchdog app stamps",
        ),
        "the modules of `ocrfarm/farm/`",
        ("ocrfarm/farm/flow.py", "ocrfarm.farm.tries", "from ocrfarm.farm import broker, looks", "`farm/wire.py`"),
        ("ocrfarm/farm/tasks.py", "farm.services", 'include "ocrfarm.labels"'),
    ),
    OldWord(
        _modules(
            "stitch",
            "joining pieces nearby links groups chains seams cuts sweep left levels doubts second rectangles order"
            " columns words",
        ),
        "the modules of `ocrfarm/stitch/`",
        ("ocrfarm.stitch.seams", "stitch/links.py", "from ocrfarm.stitch import sweep"),
        ("ocrfarm/stitch/matching.py", "ocrfarm.stitch.lines"),
    ),
    OldWord(
        "|".join(
            _modules(package, names)
            for package, names in {
                "split": "plan ink scale",
                "recognize": "whites pieces planted read regions models load",
                "image": "slots band threads",
                "storage": "names keys address files",
                "result": "about places origin pdffile pdffont pdfoverlay pdfpicture pdftext",
                "client": "bar many watch origins",
                "cli": "beside gathered forecast ledger order reading screen plan",
                "doctor": "examine reading",
                "viewer": "site folder arrays",
            }.items()
        ),
        "the modules that are there",
        ("ocrfarm/split/ink.py", "ocrfarm.recognize.planted", "from ocrfarm.cli import ledger, main"),
        ("ocrfarm/split/tiling.py", "ocrfarm.recognize.profiles"),
    ),
    OldWord(
        r"\bworkers[./](?:beat|leaving|fitness|run|split|stitch|recognize|flower|metrics|api|webhooks|health|memory)\b"
        r"|\bpython3? -m workers\.",
        "`ocrfarm worker ROLE`, `ocrfarm/worker/`",
        ("workers/beat.py", "from workers.run import main", "python -m workers.split"),
        ("workers/Dockerfile", "python -m workers split", "ocrfarm/worker/metrics.py"),
    ),
]

NAMES = frozenset(
    """
    LATTICE CROSSES LookKind Leaf left_out Verdict plan_pages cut_page read_pixels forgive blame_last troubles HASTY
    PATIENT LEASE_SECONDS LegibleMessages bury reason_in machine_shape Course Told note_peak Lack lack drop_dead
    stuck_jobs take_office was_emptied revive Teller AGAIN_SECONDS Doubt Doubts mend find_ghosts STUMP SLIVER SCRAP
    Forest BESIDE Cascaded Found Wanted squeezes NARROWEST EngineBroke NoPicture NotAResult OutOfTime TimeoutReached
    Knob KNOBS Played ITS_OWN Desk TheDesk TheJob the_owner Ticket NO_TICKET Patience is_news SPEAKING complain
    Spelt with_cores print_height suitable_overlap widest_white whites read_look map_ahead whole_file picture_of
    Census census roster Roster upkeep Upkeep Meters meters Hasty lane lanes teller nearby Nearby SAME_ROW Yard
    farmyard standin Orphans orphans looks
    """.split()  # noqa: SIM905 - a list would take a line for each name
)
"""Names of functions, classes, constants and variables that had other names; see the commit that renamed them."""


def _names(source: str) -> Iterator[tuple[int, str]]:
    """Return line and name of every identifier of Python source, without comments and strings."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def _old_names(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in _names(source) if name.lstrip("_") in NAMES]


def _texts(ending: str = "") -> Iterable[tuple[str, str]]:
    return [
        (name, text) for name, text in tracked_texts() if name.endswith(ending) and not NOT_SEARCHED.fullmatch(name)
    ]


def test_every_kind_of_text_is_searched() -> None:
    searched = {name for name, _ in _texts()}
    assert {"README.zh.md", "compose.yaml", "docs/index.md", "helm/ocrfarm/values.yaml", "pyproject.toml"} <= searched
    assert {"scripts/bench", "ocrfarm/errors.py", "ocrfarm/farm/lua/update_job.lua", "tests/conftest.py"} <= searched


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.refused[0])
def test_the_pattern_finds_what_it_is_for(word: OldWord) -> None:
    assert [text for text in word.refused if not list(word.find(text))] == []
    assert [text for text in word.allowed if list(word.find(text))] == []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.refused[0])
def test_old_words_are_gone(word: OldWord) -> None:
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in _texts()
        for match in word.find(text)
    ]
    assert not found, f"say {word.instead}:\n" + "\n".join(found)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.refused[0])
def test_files_have_no_old_names(word: OldWord) -> None:
    assert [name for name, _ in _texts() if list(word.find(name))] == []


def test_old_names_are_found() -> None:
    assert _old_names("def _bury(upkeep): return 'roster', looks\n") == [(1, "_bury"), (1, "upkeep"), (1, "looks")]
    assert _old_names("def look(desk): return 'the roster'\n") == []


def test_old_names_are_gone() -> None:
    found = [f"{name}:{line}: {old}" for name, text in _texts(".py") for line, old in _old_names(text)]
    assert not found, "\n".join(found)
