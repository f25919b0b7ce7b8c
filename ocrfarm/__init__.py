"""ocrfarm reads the text in images of any size: it splits them into tiles, recognizes these and stitches the results.

Each stage is one package: image, split, recognize, stitch, result. `pipeline` runs them in one process, `farm`
distributes them over workers, and `Client` submits images to a farm.
"""

import importlib
from typing import TYPE_CHECKING

from ocrfarm._version import __version__
from ocrfarm.errors import OcrfarmError

if TYPE_CHECKING:
    from ocrfarm.client import AsyncClient, AsyncJob, Client, Job
    from ocrfarm.document import Coverage, Document, Hit, Line, Page, Word
    from ocrfarm.geometry import Box, Quad, Size

_MODULES = {
    "AsyncClient": "client",
    "AsyncJob": "client",
    "Client": "client",
    "Job": "client",
    "Coverage": "document",
    "Document": "document",
    "Hit": "document",
    "Line": "document",
    "Page": "document",
    "Word": "document",
    "Box": "geometry",
    "Quad": "geometry",
    "Size": "geometry",
}
"""Where each public name lives; the module is imported when the name is first used."""

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Box",
    "Client",
    "Coverage",
    "Document",
    "Hit",
    "Job",
    "Line",
    "OcrfarmError",
    "Page",
    "Quad",
    "Size",
    "Word",
    "__version__",
]


if not TYPE_CHECKING:  # a type checker sees the imports above, and reports every other name

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'ocrfarm' has no attribute {name!r}")
        return getattr(importlib.import_module(f"ocrfarm.{_MODULES[name]}"), name)
