"""Job -> SourceInfo: what the formats want to know of its image, which is fetched when one of them needs it."""

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path, PurePath

from ocrfarm.client.job import Job
from ocrfarm.document import Document
from ocrfarm.pdf_image_tiles import iter_image_tiles
from ocrfarm.result import SourceInfo

_SUFFIX = re.compile(r"\.\w{1,10}")


def make_source_info(
    job: Job, document: Document, *, folder: Path, limits: Mapping[str, int], base: str = "", stem: str = ""
) -> SourceInfo:
    """Give the source info of the job's document; the image is kept in the folder, and results are named below `base`.

    Their names begin with `stem`, or the job's id.
    """
    name = PurePath(job.status().name).name  # of an address, the last part
    suffix = _SUFFIX.fullmatch(PurePath(name).suffix)
    get_image = cache(partial(_download_image, job, folder / f"source{suffix.group() if suffix else ''}"))
    cut_tiles = partial(iter_image_tiles, get_image, limits=limits)
    overviews = {number: partial(job.overview, place) for place, number in enumerate(document.page_numbers)}
    return SourceInfo(
        name, get_image, lambda number: overviews[number](), cut_tiles, base_url=base, stem=stem or job.id
    )


def _download_image(job: Job, path: Path) -> Path:
    job.save_image(path)
    return path
