"""Dead letters: why a tile (or a part of one) could not be read, who tried and how often; its pixels stay beside it."""

import json
import os
import socket
import time
from dataclasses import dataclass

from ocrfarm.farm.services import Services
from ocrfarm.storage import keys
from ocrfarm.tile import TileId


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known about a tile that was given up."""

    reason: str
    attempts: int = 1


def bury(services: Services, job: str, *, tile: TileId, letter: Letter) -> None:
    """Write the letter; a whole tile counts as settled from then on. Nothing is written once the job has ended."""
    if services.progress.ended(job):
        return
    whole = TileId(tile.page, tile.level, tile.row, tile.col)
    note = {
        "tile": str(tile),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "worker": f"{socket.gethostname()} {os.getpid()}",
        "time": time.time(),
        "pixels": keys.tile(job, whole),
    }
    services.store.put(keys.dead(job, tile), json.dumps(note, ensure_ascii=False).encode())
    if tile == whole:
        services.progress.settle(job, str(tile), dead=True)


def reason_in(data: bytes) -> str:
    """Give the reason of a stored letter."""
    return str(json.loads(data)["reason"])
