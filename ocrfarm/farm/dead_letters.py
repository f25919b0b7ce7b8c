"""Dead letters: why a tile (or a part of one) could not be read, who tried and how often; its pixels stay beside it."""

import json
import os
import socket
import time
from dataclasses import dataclass

from ocrfarm.farm.context import WorkerContext
from ocrfarm.storage import layout
from ocrfarm.tile import TileId


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known about a tile that was given up."""

    reason: str
    attempts: int = 1


def store_dead_letter(context: WorkerContext, job: str, *, tile: TileId, letter: DeadLetter) -> None:
    """Write the letter; a whole tile counts as settled from then on. Nothing is written once the job has ended."""
    if context.jobs.has_ended(job):
        return
    whole = TileId(tile.page, tile.level, tile.row, tile.col)
    note = {
        "tile": str(tile),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "worker": f"{socket.gethostname()} {os.getpid()}",
        "time": time.time(),
        "pixels": layout.tile(job, whole),
    }
    context.store.put(layout.dead_letter(job, tile), json.dumps(note, ensure_ascii=False).encode())
    if tile == whole:
        context.jobs.mark_tile_done(job, str(tile), has_failed=True)


def parse_reason(data: bytes) -> str:
    """Give the reason of a stored letter."""
    return str(json.loads(data)["reason"])
