"""The documents as the tests see them: their text, and the code in it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.source_tree import MODULES, ROOT

DOCS = ROOT / "docs"
PAGES = (*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("README*.md")))


def page_name(page: Path) -> str:
    """Give the page's path from the root."""
    return page.relative_to(ROOT).as_posix()


@cache
def inline_code(page: Path) -> tuple[str, ...]:
    """Give each piece of code that stands in a sentence or a table, on one line."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    inline = (child for token in tokens for child in token.children or () if child.type == "code_inline")
    return tuple(" ".join(child.content.split()) for child in inline)


@cache
def code_lines(page: Path) -> tuple[str, ...]:
    """Give each line of the blocks of code; what ends in a backslash goes on, and a remark is left out."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    blocks = (token.content for token in tokens if token.type in ("fence", "code_block"))
    found = (line for block in blocks for line in block.replace("\\\n", " ").splitlines())
    return tuple(re.sub(r"\s+#.*", "", line).strip() for line in found)


def iter_code(page: Path) -> Iterator[str]:
    """Give all code of the page."""
    yield from inline_code(page)
    yield from code_lines(page)


@cache
def message_texts() -> str:
    """Give every text that ocrfarm and its workers can say, a row each; what is filled in is left out as `...`."""
    texts: list[str] = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            match node:
                case ast.JoinedStr(values=values):
                    texts.append("".join(map(_text, values)))
                case ast.Constant(value=str(text)):
                    texts.append(text)
    return "\n".join(texts)


def _text(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "..."
