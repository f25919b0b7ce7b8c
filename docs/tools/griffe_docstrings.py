"""For the reference: docstrings as Markdown, with examples and trees as code and described fields as lists."""

import re

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", re.MULTILINE)
_TREE = re.compile(r"^\w.*\n(?:^(?:\||`--).*\n?)+", re.MULTILINE)
_FIELD = re.compile(r"(?:^|(?<=\.) )((?:[a-z]\w*)(?:, [a-z]\w*)*): ", re.MULTILINE)
_ERROR = re.compile(r"^(?=`[A-Z]\w+` (?:where|for|when))", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring once it is known."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Put examples and trees into blocks, and `name: what it is` at the beginning of a line into a list."""
        if obj.docstring:
            text = _EXAMPLE.sub(_block, _TREE.sub(_block, obj.docstring.value))
            obj.docstring.value = _ERROR.sub("\n", _FIELD.sub(r"\n- `\1`: ", text))


def _block(found: re.Match[str]) -> str:
    return f"\n```{'python' if found[0].startswith('>') else 'text'}\n{found[0].rstrip()}\n```\n"
