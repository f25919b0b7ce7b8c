"""The two READMEs say the same: headings, code, tables, links and figures, in the same order."""

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.source_tree import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))


def _tokens(text: str) -> list[Token]:
    return MarkdownIt().enable("table").parse(text)


def _blocks(text: str) -> list[str]:
    """Give the kinds of blocks in order: headings with their level, paragraphs, lists, tables, code."""
    return [f"{token.type} {token.tag}" for token in _tokens(text) if token.nesting >= 0 and token.type != "inline"]


def _code(text: str) -> list[str]:
    """Give each line of code without its remark, which is translated."""
    blocks = (token.content for token in _tokens(text) if token.type in ("fence", "code_block"))
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]


def _links(text: str) -> list[str]:
    children = [child for token in _tokens(text) for child in token.children or ()]
    return [str(child.attrs["href"]) for child in children if child.type == "link_open"]


def _spans(text: str) -> list[str]:
    children = [child for token in _tokens(text) for child in token.children or ()]
    return [" ".join(child.content.split()) for child in children if child.type == "code_inline"]


def _figures(text: str) -> list[str]:
    """Give the numbers of each table and sentence; a line's end in the middle of a sentence says nothing."""
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", text))


@pytest.mark.parametrize("part", [_blocks, _code, _figures], ids=["blocks", "code", "figures"])
def test_both_have_the_same(part: object) -> None:
    assert callable(part)
    assert part(CHINESE) == part(ENGLISH)


def test_both_name_the_same() -> None:
    """A sentence may turn its parts round."""
    assert sorted(_spans(CHINESE)) == sorted(_spans(ENGLISH))


def test_both_lead_to_the_same_pages() -> None:
    assert _links(CHINESE)[1:] == _links(ENGLISH)[1:]
    assert (_links(CHINESE)[0], _links(ENGLISH)[0]) == ("README.md", "README.zh.md")
    assert not [link for link in _links(ENGLISH) if not (ROOT / link).is_file()]


def test_the_chinese_one_is_chinese() -> None:
    """Each paragraph and each heading but the first, which is the name."""
    text = re.sub(r"<!-- .*? -->", "", CHINESE)
    inline = [token.content for token in _tokens(text) if token.type == "inline" and "|" not in token.content]
    words = [
        text
        for text in inline
        if re.search(r"[a-z]{3}", text) and not re.match(r"`|PP-|ocrfarm$|\[English|[\d.]+ MP/s$", text)
    ]
    assert words
    assert [text for text in words if not re.search(r"[\u4e00-\u9fff]", text)] == []
