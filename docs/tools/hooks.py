"""What the site adds to mkdocs: measured figures, pages of the repository's root, and files that pages link to."""

import re
from pathlib import Path, PurePosixPath

from figures import load_figures, rewrite
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "readme.md",
    "README.zh.md": "readme.zh.md",
    "SECURITY.md": "security.md",
}
"""File of the repository -> page of the site."""

_LINK = re.compile(r"\]\(((?!https?:|#|mailto:)[^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, and every file outside docs/ that a page links to, below `source/`."""
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_LINK.sub(_from_root, text)))
    for file in list(files.documentation_pages()):
        for target in _LINK.findall(file.content_string):
            name = _outside(file.src_uri, target)
            if (
                name
                and name not in PAGES
                and not files.get_file_from_path(f"source/{name}")
                and (ROOT / name).is_file()
            ):
                files.append(File.generated(config, f"source/{name}", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Insert the measured figures, and let links that lead out of docs/ lead to the copies."""

    def moved(found: re.Match[str]) -> str:
        name = _outside(page.file.src_uri, found[1])
        up = "../" * (len(PurePosixPath(page.file.src_uri).parts) - 1)
        return f"]({up}{PAGES.get(name, f'source/{name}')}" if name else found[0]

    return _LINK.sub(moved, rewrite(markdown, load_figures()))


def _from_root(found: re.Match[str]) -> str:
    """Turn a link of a file in the root into one of a page of the site."""
    target = found[1]
    return f"]({target.removeprefix('docs/')}" if target.startswith("docs/") else f"](../{target}"


def _outside(page: str, target: str) -> str:
    """Return the path from the root of what the page links to; empty for what is in docs/."""
    parts: list[str] = ["docs", *PurePosixPath(page).parts[:-1]]
    for part in PurePosixPath(target).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "" if parts[:1] == ["docs"] else "/".join(parts)
