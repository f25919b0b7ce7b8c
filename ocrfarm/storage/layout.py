"""Every object name in the bucket.

jobs/{job}/request.json               who asked for what: file name, profile, limits, time
jobs/{job}/source                     the image as it was handed in
jobs/{job}/manifest.json              pages, tiles (blank ones marked), batches
jobs/{job}/overview/p0000.png         the page shrunk to at most 2048 pixels a side
jobs/{job}/tiles/{tile}.png           one tile, lossless
jobs/{job}/fragments/{tile}.json.gz   what the recognizer read on the tile (a `tile.TileResult`)
jobs/{job}/second_pass.json           which regions are read a second time (`tile.SecondPassRegion`s)
jobs/{job}/dead_letters/{tile}.json   why a tile could not be read
jobs/{job}/result.json                the document, in the format ocrfarm/1
jobs/{job}/webhook.json               what the job's webhook says, and what came of it (a `webhooks.WebhookEvent`)
jobs/{job}/final_status.json          how a job ended that has no document: cancelled, or failed and why

`probe` is no job: what lies there was written by `ocrfarm doctor`.
"""

from ocrfarm.tile import TileId


def job_prefix(job_id: str) -> str:
    """Give the prefix of everything that belongs to one job."""
    return f"jobs/{job_id}/"


def request(job_id: str) -> str:
    """Name the job's request."""
    return f"{job_prefix(job_id)}request.json"


def source(job_id: str) -> str:
    """Name the image as it was handed in."""
    return f"{job_prefix(job_id)}source"


def manifest(job_id: str) -> str:
    """Name the list of pages, tiles and batches."""
    return f"{job_prefix(job_id)}manifest.json"


def overview(job_id: str, page: int) -> str:
    """Name the shrunken image of a page."""
    return f"{job_prefix(job_id)}overview/p{page:04d}.png"


def tile(job_id: str, tile_id: TileId | str) -> str:
    """Name the pixels of a tile."""
    return f"{job_prefix(job_id)}tiles/{tile_id}.png"


def fragments(job_id: str, tile_id: TileId | str) -> str:
    """Name the results of a tile."""
    return f"{job_prefix(job_id)}fragments/{tile_id}.json.gz"


def second_pass(job_id: str) -> str:
    """Name the list of regions that are read a second time."""
    return f"{job_prefix(job_id)}second_pass.json"


def dead_letter(job_id: str, tile_id: TileId | str) -> str:
    """Name the dead letter of a tile."""
    return f"{job_prefix(job_id)}dead_letters/{tile_id}.json"


def result(job_id: str) -> str:
    """Name the finished document."""
    return f"{job_prefix(job_id)}result.json"


def final_status(job_id: str) -> str:
    """Name the note of how a job without a document ended."""
    return f"{job_prefix(job_id)}final_status.json"


def webhook(job_id: str) -> str:
    """Name what is told of the job's end."""
    return f"{job_prefix(job_id)}webhook.json"
