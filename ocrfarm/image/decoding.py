"""Calls of foreign decoders: whatever they raise becomes a typed error, and they stop when the work is not needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocrfarm.errors import DamagedImage, OcrfarmError

StopCheck = Callable[[], None]
"""Called several times a second while an image is decoded; it raises an exception to stop the decoder."""


def never_stop() -> None:
    """Do nothing: the default `StopCheck`."""


@contextmanager
def translate_decoder_errors(location: str) -> Iterator[None]:
    """Translate errors of a decoder in the block into `DamagedImage`; `location` (file and page) begins the message.

    Decoders raise exceptions of many classes for damaged files, such as `UnicodeDecodeError` for a message that quotes
    the file. Only calls of a decoder may be in the block, since an error in this package's own code is not damage.

    Raises:
        DamagedImage: A decoder raised an exception.
        MemoryError: There is not enough memory, which is no fault of the file.

    Examples:
        >>> with translate_decoder_errors("a.png"):
        ...     bytes([255]).decode()
        Traceback (most recent call last):
        ocrfarm.errors.DamagedImage: a.png: cannot be decoded, copy or export the file again ('utf-8' codec can't ...
    """
    try:
        yield
    except (OcrfarmError, MemoryError):
        raise
    except Exception as error:  # of a class that cannot be known
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedImage(f"{location}: cannot be decoded, copy or export the file again ({reason})") from error
