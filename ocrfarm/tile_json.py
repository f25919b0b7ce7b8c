"""Tiles, tile results and second-pass regions <-> JSON, as the store holds them."""

import gzip
import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.tile import Fragment, Fragments, SecondPassRegion, Tile, TileId, TileResult


def tile_results_to_bytes(results: Iterable[TileResult]) -> bytes:
    """Return the results as gzipped JSON; equal results give equal bytes.

    Examples:
        >>> tile = Tile(TileId(0, 0, 0, 0), Box(0, 0, 64, 64), Size(64, 64))
        >>> data = tile_results_to_bytes([TileResult(tile, (), "PP-OCRv6_tiny_rec")])
        >>> tile_results_from_bytes(data)[0].model
        'PP-OCRv6_tiny_rec'
    """
    data = [_tile_result_to_json(result) for result in results]
    return gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 5, mtime=0)


def tile_results_from_bytes(data: bytes) -> tuple[TileResult, ...]:
    """Parse what `tile_results_to_bytes` returns; raise ValueError for anything else."""
    try:
        return tuple(_tile_result_from_json(item) for item in json.loads(gzip.decompress(data)))
    except (OSError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"not tile results: {error}") from error


def tile_to_json(tile: Tile) -> dict[str, Any]:
    """Return the tile as JSON values: name, box (x0, y0, x1, y1) and page size."""
    box, page = tile.box, tile.page_size
    return {"id": str(tile.id), "box": [box.x0, box.y0, box.x1, box.y1], "page": [page.width, page.height]}


def tile_from_json(data: dict[str, Any]) -> Tile:
    """Create a tile from what `tile_to_json` returns; it has no core."""
    return Tile(TileId.parse(data["id"]), Box(*data["box"]), Size(*data["page"]))


def second_pass_to_bytes(regions: Iterable[SecondPassRegion]) -> bytes:
    """Return the regions as JSON; the coordinates of the quads are not rounded."""
    data = [
        {"tile": tile_to_json(region.tile), "lines": [quad.points for quad in region.lines], "kind": region.kind}
        for region in regions
    ]
    return json.dumps(data).encode()


def second_pass_from_bytes(data: bytes) -> tuple[SecondPassRegion, ...]:
    """Parse what `second_pass_to_bytes` returns."""
    return tuple(
        SecondPassRegion(tile_from_json(item["tile"]), tuple(map(Quad.from_points, item["lines"])), item["kind"])
        for item in json.loads(data)
    )


def _tile_result_to_json(result: TileResult) -> dict[str, Any]:
    return {
        "tile": tile_to_json(result.tile),
        "model": result.model,
        "seconds": round(result.seconds, 4),
        "overlong_lines": result.overlong_lines,
        "detector_overflow": result.detector_overflow,
        "scale": result.scale,
        "retries": result.retries,
        "deferred_lines": [_quad_to_json(quad) for quad in result.deferred_lines],
        "input_columns": result.input_columns,
        "padding_columns": result.padding_columns,
        "fragments": [_fragment_to_json(fragment) for fragment in result.fragments],
    }


def _tile_result_from_json(data: dict[str, Any]) -> TileResult:
    return TileResult(
        tile=tile_from_json(data["tile"]),
        fragments=Fragments(map(_fragment_row_from_json, data["fragments"])),
        model=data["model"],
        seconds=data["seconds"],
        overlong_lines=data["overlong_lines"],
        detector_overflow=data["detector_overflow"],
        scale=data["scale"],
        retries=data["retries"],
        deferred_lines=tuple(map(Quad.from_points, data["deferred_lines"])),
        input_columns=data["input_columns"],
        padding_columns=data["padding_columns"],
    )


def _quad_to_json(quad: Quad) -> list[list[float]]:
    return [[round(x, 2), round(y, 2)] for x, y in quad.points]


def _fragment_to_json(fragment: Fragment) -> dict[str, Any]:
    return {
        "quad": _quad_to_json(fragment.quad),
        "confidence": round(fragment.confidence, 4),
        "detection": round(fragment.detection, 4),
        "chars": [char.text for char in fragment.chars],
        "positions": [round(char.position, 5) for char in fragment.chars],
        "confidences": [round(char.confidence, 4) for char in fragment.chars],
    }


def _fragment_row_from_json(data: dict[str, Any]) -> tuple[Sequence[str], Iterable[float]]:
    chars, positions, confidences = data["chars"], data["positions"], data["confidences"]
    if not len(chars) == len(positions) == len(confidences):
        counts = f"{len(chars)} characters, {len(positions)} positions, {len(confidences)} confidences"
        raise ValueError(f"not tile results: {counts}")
    corners = chain.from_iterable(Quad.from_points(data["quad"]).points)
    return chars, (*corners, data["confidence"], data["detection"], *positions, *confidences)
