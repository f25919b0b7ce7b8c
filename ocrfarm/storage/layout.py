"""The names of all objects in the store.

jobs/{job}/request.json               the request: file name, profile, limits, owner, time
jobs/{job}/source                     the image as it was submitted
jobs/{job}/manifest.json              pages, tiles (blank ones are marked), batches
jobs/{job}/overview/p0000.png         the page, reduced to at most 2048 pixels a side
jobs/{job}/tiles/{tile}.png           the pixels of one tile, lossless
jobs/{job}/fragments/{tile}.json.gz   the recognizer's results for the tile (`tile.TileResult`)
jobs/{job}/second_pass.json           the regions that are read a second time (`tile.SecondPassRegion`)
jobs/{job}/dead_letters/{tile}.json   why a tile could not be read
jobs/{job}/result.json                the document, in the format ocrfarm/1
jobs/{job}/webhook.json               the job's webhook event and its delivery (`webhooks.WebhookEvent`)
jobs/{job}/final_status.json          how the job ended, and when; or that it was reopened after its end

`ocrfarm doctor` writes its test objects below jobs/probe/, which is not a job.

>>> tile("a1", TileId(page_index=0, level=0, row=2, col=3))
'jobs/a1/tiles/p0000-l0-r0002-c0003.png'
>>> overview("a1", page=7)
'jobs/a1/overview/p0007.png'
"""

from ocrfarm.tile import TileId

JOBS = "jobs/"
"""The common prefix of all jobs."""


def job_prefix(job_id: str) -> str:
    """Return the common prefix of all objects of a job."""
    return f"{JOBS}{job_id}/"


def request(job_id: str) -> str:
    """Return the key of the job's request."""
    return f"{job_prefix(job_id)}request.json"


def source(job_id: str) -> str:
    """Return the key of the submitted image."""
    return f"{job_prefix(job_id)}source"


def manifest(job_id: str) -> str:
    """Return the key of the manifest: pages, tiles and batches."""
    return f"{job_prefix(job_id)}manifest.json"


def overview(job_id: str, page: int) -> str:
    """Return the key of the reduced image of a page.

    Args:
        job_id: Id of the job.
        page: Index of the page (0 = first).
    """
    return f"{job_prefix(job_id)}overview/p{page:04d}.png"


def tile(job_id: str, tile_id: TileId | str) -> str:
    """Return the key of the pixels of a tile.

    Args:
        job_id: Id of the job.
        tile_id: Id of the tile, or its name.
    """
    return f"{job_prefix(job_id)}tiles/{tile_id}.png"


def fragments(job_id: str, tile_id: TileId | str) -> str:
    """Return the key of the results of a tile.

    Args:
        job_id: Id of the job.
        tile_id: Id of the tile, or its name.
    """
    return f"{job_prefix(job_id)}fragments/{tile_id}.json.gz"


def second_pass(job_id: str) -> str:
    """Return the key of the list of regions that are read a second time."""
    return f"{job_prefix(job_id)}second_pass.json"


def dead_letter(job_id: str, tile_id: TileId | str) -> str:
    """Return the key of the dead letter of a tile.

    Args:
        job_id: Id of the job.
        tile_id: Id of the tile, or its name.
    """
    return f"{job_prefix(job_id)}dead_letters/{tile_id}.json"


def result(job_id: str) -> str:
    """Return the key of the finished document."""
    return f"{job_prefix(job_id)}result.json"


def final_status(job_id: str) -> str:
    """Return the key of the job's status at its end."""
    return f"{job_prefix(job_id)}final_status.json"


def webhook(job_id: str) -> str:
    """Return the key of the job's webhook event."""
    return f"{job_prefix(job_id)}webhook.json"
