"""For the reference: examples and trees that stand outside a section of a docstring become code blocks."""

import re

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", re.MULTILINE)
_TREE = re.compile(r"^\w.*\n(?:^(?:\||`--).*\n?)+", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring as soon as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Put examples and trees into code blocks; text in sections such as `Examples:` is indented and not changed."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(_to_block, _TREE.sub(_to_block, obj.docstring.value))


def _to_block(match: re.Match[str]) -> str:
    return f"\n```{'pycon' if match[0].startswith('>') else 'text'}\n{match[0].rstrip()}\n```\n"
