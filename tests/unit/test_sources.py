"""Files, folders and globs -> images with names for their results."""

from pathlib import Path

import pytest

from ocrfarm.cli.journal import JOURNAL_NAME, Journal, JournalEntry
from ocrfarm.cli.sources import find_images
from ocrfarm.errors import NoImagesFound


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("in/a.png", "in/a.tif", "in/sub/a.PNG", "in/sub/b.jpg", "in/.trash/c.png", "in/notes.md", "out/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["in"], {"in/a.png": "a", "in/a.tif": "a.tif", "in/sub/a.PNG": "sub/a", "in/sub/b.jpg": "sub/b"}),
        (["in/notes.md"], {"in/notes.md": "notes"}),
        (["in/sub/a.PNG", "in/sub"], {"in/sub/a.PNG": "a", "in/sub/b.jpg": "b"}),
        (["in/**/*.[pP]*"], {"in/.trash/c.png": ".trash/c", "in/a.png": "a", "in/sub/a.PNG": "sub/a"}),
        (["in/s*"], {"in/sub/a.PNG": "sub/a", "in/sub/b.jpg": "sub/b"}),
        (["in/a.png", "in/a.png"], {"in/a.png": "a"}),
        (["gone.png"], {"gone.png": "gone"}),
        (["."], {"in/a.png": "in/a", "in/a.tif": "in/a.tif", "in/sub/a.PNG": "in/sub/a", "in/sub/b.jpg": "in/sub/b"}),
        (["out"], {"out/d.png": "d"}),
    ],
    ids=str,
)  # fmt: skip
def test_results_are_named_after_their_images(tree: Path, paths: list[str], expected: dict[str, str]) -> None:
    found = find_images(map(Path, paths), out=Path("out"))
    assert {str(image.path): image.stem for image in found} == expected


def test_previews_among_the_images_are_not_read(tree: Path) -> None:
    """Results may lie beside their images, and the same command is started again; an image of this name is read."""
    for name in ("a.preview.png", "sub/b.p0006.preview.webp", "other.preview.png"):
        Path("in", name).touch()
    with Journal(Path("in") / JOURNAL_NAME) as table:
        for name in ("a", "sub/b"):
            table.add(JournalEntry(file=f"in/{name}.png", state="complete", result=name))
    real = ["in/a.png", "in/a.tif", "in/other.preview.png", "in/sub/a.PNG", "in/sub/b.jpg"]
    for path, out in (("in", "in"), ("in", "out"), ("in/**/*.*[gGf]", "in")):
        found = find_images([Path(path)], out=Path(out))
        assert [str(image.path) for image in found if ".trash" not in image.path.parts] == real


def test_names_are_never_shared(tree: Path) -> None:
    for folder in "xyz":
        Path(folder).mkdir()
        Path(folder, "a.png").touch()
    found = find_images(map(Path, ["x/a.png", "y/a.png", "z/a.png", "in/a.png"]), out=Path("out"))
    assert [image.stem for image in found] == ["a", "a.png", "a.png.2", "a.png.3"]


@pytest.mark.parametrize("nothing", ["empty", "in/*.gif", "no/such/*.png"])
def test_a_folder_or_glob_without_images(tree: Path, nothing: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(NoImagesFound, match=nothing.replace("*", r"\*")):
        find_images([Path("in"), Path(nothing)], out=Path("out"))
