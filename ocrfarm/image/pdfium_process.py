"""The process that runs `pdfium.py`: its start, requests, answers, errors and end.

```
 this process                                    pdfium.py
   stdin   --- one JSON object for each request --->  inspects the pages, or renders one of them
   stdout  <-- a line of JSON, or rows of RGB pixels
   stdin is closed, also by the death of this process: the other one ends at once, even while pdfium draws
```
"""

import json
import select
import signal
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from typing import IO, Any

from ocrfarm.errors import DamagedImage, find_error
from ocrfarm.image.decoding import StopCheck

_PROGRAM = (sys.executable, "-P", "-m", "ocrfarm.image.pdfium")

ERROR_EXIT_CODE = 3
"""Exit code of the process if the last line of its stderr is an `OcrfarmError` as JSON."""

ADVICE = "print it to a new PDF, or export the page as an image"
"""What a user can do with a page that pdfium cannot render."""

_CHECK_INTERVAL = 200
"""Milliseconds between two checks whether the answer is still needed."""

_CHUNK_BYTES = 1 << 16
"""Bytes that are read at a time from an answer of unknown length: the capacity of a pipe."""


class PdfiumProcess:
    """A running process; it ends at the latest with this object or with this process.

    Attributes:
        granted_seconds: CPU seconds that all of its requests together may take.
        end: Function that ends the process.
    """

    def __init__(self) -> None:
        """Start the process."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end_process
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        self._process = subprocess.Popen(_PROGRAM, bufsize=0, **pipes)  # type: ignore[call-overload]
        self._errors = errors
        self.granted_seconds = 0.0
        self.end = weakref.finalize(self, _end_process, self._process, errors)

    @property
    def is_alive(self) -> bool:
        """Whether the process takes requests."""
        return self._process.poll() is None

    def send(self, request: dict[str, Any]) -> None:
        """Send a request; if the process has ended, reading the answer raises its error."""
        data = memoryview(json.dumps(request).encode() + b"\n")
        with suppress(BrokenPipeError):
            while data:
                data = data[self._process.stdin.write(data) :]

    def read_line(self, check: StopCheck, *, location: str) -> bytes:
        """Return the answer to a request to inspect a file.

        Args:
            check: Called while the process works.
            location: The file, for messages.

        Raises:
            OcrfarmError: What the process raised; `DamagedImage` if a signal ended it.
            RuntimeError: The process failed for another reason, which is a bug.
        """
        line = bytearray()
        while not line.endswith(b"\n"):
            self._wait_for_output(check)
            if not (chunk := self._process.stdout.read(_CHUNK_BYTES)):
                raise self._make_error(location)
            line += chunk
        return bytes(line)

    def read_into(self, buffer: memoryview, check: StopCheck, *, location: str) -> None:
        """Fill a buffer with the next bytes of a rendered page.

        Args:
            buffer: The buffer, writable bytes.
            check: Called while the process works.
            location: File and page, for messages.

        Raises:
            OcrfarmError: What the process raised; `DamagedImage` if a signal ended it.
            RuntimeError: The process failed for another reason, which is a bug.
        """
        while buffer:
            self._wait_for_output(check)
            if not (count := self._process.stdout.readinto(buffer)):
                raise self._make_error(location)
            buffer = buffer[count:]

    def _wait_for_output(self, check: StopCheck) -> None:
        poll = select.poll()  # select.select cannot wait for descriptors above 1,023
        poll.register(self._process.stdout, select.POLLIN)
        check()
        while not poll.poll(_CHECK_INTERVAL):
            check()

    def _make_error(self, location: str) -> Exception:
        """Return the error that ended the process."""
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        if code == ERROR_EXIT_CODE:
            kind, text = json.loads(last)
            return find_error(kind, DamagedImage)(text)
        if code > 0:
            return RuntimeError(f"{location}: {last}")
        if not code:
            return DamagedImage(f"{location}: only a part of it was rendered; {ADVICE}")
        crash = f"pdfium ended with {signal.Signals(-code).name}: damage, or more memory than such a file may take"
        reason = "it takes longer than such a file may take" if code == -signal.SIGXCPU else crash
        return DamagedImage(f"{location}: cannot be rendered ({reason}); {ADVICE}")


def _end_process(process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream:
            stream.close()
