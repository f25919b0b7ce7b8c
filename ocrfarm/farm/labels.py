"""How messages look to people: Flower shows a job, its page and tiles and the model, and each says when it was sent."""

import time
from typing import Any

from celery.app.amqp import AMQP

from ocrfarm.farm import wire
from ocrfarm.tile import LOOK, TileId

SENT = "sent"
"""Header: seconds since 1970."""


class LegibleMessages(AMQP):
    """Celery's maker of messages; arguments are shown in words, the arguments themselves stay as they are."""

    def as_task_v2(self, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's own, of which `args` is the third
        """Give a message of Celery's second protocol."""
        options["argsrepr"] = shown(given[2])
        options["kwargsrepr"] = _model(str(getattr(options.get("queue"), "name", "")))
        message = super().as_task_v2(*given, **options)
        message.headers[SENT] = time.time()
        return message


def shown(args: Any) -> str:  # noqa: ANN401 - what a message holds
    """Give arguments in words: the batch's tiles, and the job's id, by which a search finds all that belongs to it."""
    match args:
        case [str(job)] | (str(job),):
            return f"job {job}"
        case [str(job), [str(), *_] as tiles] | (str(job), [str(), *_] as tiles):
            return f"{_tiles(tiles)}, job {job}"
        case _:
            return "" if not args else repr(args)[:100]


def _tiles(names: list[str]) -> str:
    try:
        first, *_ = tiles = wire.tiles_of(names)
    except ValueError:
        return f"{len(names)} tiles"
    page = f"page {first.page + 1}{f' level {first.level}' if first.level else ''}"
    if first.part == LOOK:
        return f"{page}, {len(tiles)} places a second time"
    if len(tiles) == 1:
        return f"{page}, tile {_place(first)}"
    return f"{page}, {len(tiles)} tiles {_place(first)} to {_place(tiles[-1])}"


def _place(tile: TileId) -> str:
    return f"r{tile.row:02d}c{tile.col:02d}"


def _model(queue: str) -> str:
    model = queue.removeprefix("recognize.")
    return f"model={model}" if model != queue else ""
