"""Request and Manifest: the two small objects in the store that say what a job is."""

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from ocrfarm.document import PageSource
from ocrfarm.geometry import Box, Size
from ocrfarm.recognize.profiles import Profile
from ocrfarm.selection import SELECT_ALL, Selection
from ocrfarm.tile import Tile, TileId


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked for what: the file's name, profile, seconds since 1970, priority (None: by size), and selection.

    owner: whose job it is. webhook: the address that is told of its end, which stands nowhere else.
    """

    name: str
    profile: Profile
    submitted: float
    priority: int | None = None
    selection: Selection = SELECT_ALL
    owner: str = ""
    webhook: str = ""

    def to_bytes(self) -> bytes:
        """Give JSON."""
        data = {"name": self.name, "profile": self.profile.to_json(), "submitted": self.submitted}
        more = {
            "priority": self.priority,
            "selection": self.selection.to_json(),
            "owner": self.owner,
            "webhook": self.webhook,
        }
        return json.dumps(data | more, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Request":
        """Read what `to_bytes` gave."""
        values = json.loads(data)
        for_whom = {name: values.get(name, "") for name in ("owner", "webhook")}
        profile, selection = Profile.from_json(values["profile"]), Selection.from_json(values.get("selection", {}))
        return cls(values["name"], profile, values["submitted"], values["priority"], selection, **for_whom)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every page and tile of a job; `blank` tiles are not sent to be read. Written before the first tile is."""

    request: Request
    pages: tuple[Size, ...]
    tiles: tuple[Tile, ...]
    blank: frozenset[TileId] = field(default_factory=frozenset)
    page_sources: tuple[PageSource, ...] = ()
    _by_id: dict[TileId, Tile] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {tile.id: tile for tile in self.tiles})

    def select_tiles(self, ids: Iterable[TileId]) -> list[Tile]:
        """Give the tiles of these ids; KeyError for an id that the job does not have."""
        return [self._by_id[tile_id] for tile_id in ids]

    def to_bytes(self) -> bytes:
        """Give JSON."""
        data = {
            "request": json.loads(self.request.to_bytes()),
            "pages": [[page.width, page.height] for page in self.pages],
            "tiles": [_tile_to_json(tile, tile.id in self.blank) for tile in self.tiles],
            "page_sources": [asdict(source) for source in self.page_sources],
        }
        return json.dumps(data, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read what `to_bytes` gave."""
        values = json.loads(data)
        pages = tuple(Size(*page) for page in values["pages"])
        tiles = tuple(_tile_from_json(tile, pages) for tile in values["tiles"])
        blank = frozenset(TileId.parse(tile["id"]) for tile in values["tiles"] if tile.get("blank"))
        sources = tuple(PageSource(**each) for each in values.get("page_sources", ())) or tuple(
            PageSource() for _ in pages
        )
        return cls(Request.from_bytes(json.dumps(values["request"]).encode()), pages, tiles, blank, sources)


def _tile_to_json(tile: Tile, blank: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"id": str(tile.id), "box": astuple(tile.box)}
    if tile.core:
        data["core"] = astuple(tile.core)
    return {**data, "blank": True} if blank else data


def _tile_from_json(data: dict[str, Any], pages: tuple[Size, ...]) -> Tile:
    tile_id = TileId.parse(data["id"])
    core = Box(*data["core"]) if "core" in data else None
    return Tile(tile_id, Box(*data["box"]), pages[tile_id.page], core)
