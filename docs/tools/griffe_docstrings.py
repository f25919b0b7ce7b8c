"""For the reference: docstrings of this project as Markdown, with examples as code and described fields as lists."""

import re

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", re.MULTILINE)
_FIELD = re.compile(r"^((?:[a-z]\w*)(?:, [a-z]\w*)*): ", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring once it is known."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Put examples into blocks, and `name: what it is` at the beginning of a line into a list."""
        if obj.docstring:
            obj.docstring.value = _FIELD.sub(r"\n- `\1`: ", _EXAMPLE.sub(_block, obj.docstring.value))


def _block(found: re.Match[str]) -> str:
    return f"\n```python\n{found[0].rstrip()}\n```\n"
