"""How messages look to people: Flower shows a job, its page and tiles and the model, and each says when it was sent."""

import time
from typing import Any

from celery.app.amqp import AMQP

from ocrfarm.farm import protocol
from ocrfarm.tile import SECOND_PASS_QUADKEY, TileId

SENT_HEADER = "sent"
"""Header: seconds since 1970."""


class ReadableAMQP(AMQP):
    """Celery's maker of messages; arguments are shown in words, the arguments themselves stay as they are."""

    def as_task_v2(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - Celery's own, of which `args` is the third
        """Give a message of Celery's second protocol."""
        options["argsrepr"] = describe_args(args[2])
        options["kwargsrepr"] = _describe_model(str(getattr(options.get("queue"), "name", "")))
        message = super().as_task_v2(*args, **options)
        message.headers[SENT_HEADER] = time.time()
        return message


def describe_args(args: Any) -> str:  # noqa: ANN401 - what a message holds
    """Give arguments in words: the batch's tiles, and the job's id, by which a search finds all that belongs to it."""
    match args:
        case [str(job)] | (str(job),):
            return f"job {job}"
        case [str(job), [str(), *_] as tiles] | (str(job), [str(), *_] as tiles):
            return f"{_describe_tiles(tiles)}, job {job}"
        case _:
            return "" if not args else repr(args)[:100]


def _describe_tiles(names: list[str]) -> str:
    try:
        first, *_ = tiles = protocol.parse_tile_ids(names)
    except ValueError:
        return f"{len(names)} tiles"
    page = f"page {first.page + 1}{f' level {first.level}' if first.level else ''}"
    if first.quadkey == SECOND_PASS_QUADKEY:
        return f"{page}, {len(tiles)} regions, second pass"
    if len(tiles) == 1:
        return f"{page}, tile {_describe_position(first)}"
    return f"{page}, {len(tiles)} tiles {_describe_position(first)} to {_describe_position(tiles[-1])}"


def _describe_position(tile: TileId) -> str:
    return f"r{tile.row:02d}c{tile.col:02d}"


def _describe_model(queue: str) -> str:
    model = queue.removeprefix("recognize.")
    return f"model={model}" if model != queue else ""
