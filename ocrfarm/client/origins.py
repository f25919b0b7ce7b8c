"""Job -> Origin: what the formats want to know of its picture, which is fetched when one of them needs it."""

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path, PurePath

from ocrfarm.client.job import Job
from ocrfarm.pieces import pieces
from ocrfarm.result import Origin

_SUFFIX = re.compile(r"\.\w{1,10}")


def origin_of(job: Job, folder: Path, *, base: str, limits: Mapping[str, int]) -> Origin:
    """Give the origin; the picture is kept in the folder, and results are named by the job's id below `base`."""
    name = PurePath(job.status().name).name  # of an address, the last part
    suffix = _SUFFIX.fullmatch(PurePath(name).suffix)
    picture = cache(partial(_fetched, job, folder / f"source{suffix.group() if suffix else ''}"))
    cut = partial(pieces, picture, limits=limits)
    return Origin(name, picture, job.overview, cut, base=base, stem=job.id)


def _fetched(job: Job, path: Path) -> Path:
    job.picture(path)
    return path
