"""The examples of the documents in Python, and those in sh, run as they stand on a farm of this machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from ocrfarm.farm.embedded.farm import EmbeddedFarm, default_layout
from tests.support.doc_pages import DOCS
from tests.support.servers import require

PAGES = ("quickstart.md", *(page.name for page in sorted(DOCS.glob("how-to-*.md"))))
RESULT_NAMES = ("drawing", "diagram", "page", "scroll")
"""Names of results in the examples."""


@dataclass(frozen=True)
class GuideFolder:
    """A folder with images and results, and the variables that lead to a farm."""

    folder: Path
    variables: dict[str, str]

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def example(page: str, language: str = "python") -> str:
    """Give what a page has in a language as one program."""
    tokens = MarkdownIt().parse((DOCS / page).read_text(encoding="utf-8"))
    return "\n".join(token.content for token in tokens if token.type == "fence" and token.info == language)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuideFolder]:
    folder = tmp_path_factory.mktemp("guide")
    program = str(Path(sys.executable).with_name("ocrfarm"))
    with EmbeddedFarm("fast", layout=default_layout()) as farm:
        place = GuideFolder(folder, os.environ | farm.settings.to_env())
        place.run(program, "sample", "sheet.png", "--size", "2048")
        place.run(program, "read", "sheet.png", "--out", "results", "--formats", "json,geojson")
        with Image.open(folder / "sheet.png") as sheet:
            sheet.crop((1200, 0, 2048, 1024)).save(folder / "drawing.tif")
        for name in RESULT_NAMES:
            shutil.copy(folder / "results/sheet.json", folder / f"results/{name}.json")
        with Image.open(folder / "drawing.tif") as drawing:
            for name in ("archive/1911/box1.pdf", "archive/1912/box1.pdf"):
                (folder / name).parent.mkdir(parents=True)
                drawing.save(folder / name, resolution=200)
        yield place


@pytest.mark.parametrize("page", [page for page in PAGES if example(page)])
def test_an_example_does_what_its_page_says(guide: GuideFolder, page: str) -> None:
    """Warnings are errors there too, and each prints something."""
    assert guide.run(sys.executable, "-W", "error", "-c", example(page)).strip()


@pytest.mark.parametrize("page", [page for page in PAGES if example(page, "sh")])
def test_commands_do_what_their_page_says(guide: GuideFolder, page: str) -> None:
    """Each of them ends well."""
    require(shutil.which("pdftotext"), "pdftotext is missing: install poppler-utils")
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{guide.variables['PATH']}"
    shell = GuideFolder(guide.folder, guide.variables | {"PATH": search_path})
    assert shell.run("bash", "-euo", "pipefail", "-c", example(page, "sh")).strip()


def test_tags_are_found_with_their_places(guide: GuideFolder) -> None:
    assert "GV-103" in guide.run(sys.executable, "-c", example("how-to-drawings.md"))
