"""Job -> Origin: what the formats want to know of its picture, which is fetched when one of them needs it."""

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path, PurePath

from ocrfarm.client.job import Job
from ocrfarm.document import Document
from ocrfarm.pieces import pieces
from ocrfarm.result import Origin

_SUFFIX = re.compile(r"\.\w{1,10}")


def origin_of(
    job: Job, document: Document, *, folder: Path, limits: Mapping[str, int], base: str = "", stem: str = ""
) -> Origin:
    """Give the origin of the job's document; the picture is kept in the folder, and results are named below `base`.

    Their names begin with `stem`, or the job's id.
    """
    name = PurePath(job.status().name).name  # of an address, the last part
    suffix = _SUFFIX.fullmatch(PurePath(name).suffix)
    picture = cache(partial(_fetched, job, folder / f"source{suffix.group() if suffix else ''}"))
    cut = partial(pieces, picture, limits=limits)
    overviews = {number: partial(job.overview, place) for place, number in enumerate(document.numbers)}
    return Origin(name, picture, lambda number: overviews[number](), cut, base=base, stem=stem or job.id)


def _fetched(job: Job, path: Path) -> Path:
    job.picture(path)
    return path
