"""Request and Manifest, the two small objects in the store that say what a job is, and its status from the store."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

from ocrfarm.document import Document, PageSource
from ocrfarm.errors import DamagedObject, InvalidResult, ObjectNotFound, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.geometry import Box, Size
from ocrfarm.printable import printable
from ocrfarm.recognize.profiles import Profile
from ocrfarm.result.json import document_from_json
from ocrfarm.selection import SELECT_ALL, Selection
from ocrfarm.storage import layout
from ocrfarm.storage.objects import load_object
from ocrfarm.storage.store import Store
from ocrfarm.tile import Tile, TileId

_DOCUMENT_STATES = {"complete", "partial"}
"""Final states of jobs that have a document."""

_END_FIELDS = ("error", "error_kind", "finished", "tiles", "blank", "done", "failed", "pixels")
"""Fields of the status that `final_status.json` holds besides the state."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for.

    Attributes:
        name: The file name, in which what is not printable becomes an escape sequence.
        profile: How the image is read.
        submitted: When it was submitted, in seconds since 1970.
        priority: One of `protocol.PRIORITIES`; None means that the number of tiles decides.
        selection: Which pages and regions are read.
        owner: Whose job it is, in a farm with several owners.
        webhook: The URL that is notified of the job's end, which is stored nowhere else.
    """

    name: str
    profile: Profile
    submitted: float
    priority: int | None = None
    selection: Selection = SELECT_ALL
    owner: str = ""
    webhook: str = ""

    def __post_init__(self) -> None:
        """Make the name printable: everything that shows a job shows it."""
        object.__setattr__(self, "name", printable(self.name))

    def to_bytes(self) -> bytes:
        """Return the request as JSON."""
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
        """Return the request that `to_bytes` wrote."""
        values = json.loads(data)
        for_whom = {name: values.get(name, "") for name in ("owner", "webhook")}
        profile, selection = Profile.from_json(values["profile"]), Selection.from_json(values.get("selection", {}))
        return cls(values["name"], profile, values["submitted"], values["priority"], selection, **for_whom)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every page and tile of a job; stored before the first tile is, and once more when the blank tiles are known.

    Attributes:
        request: What the client asked for.
        pages: The size of each page in pixels.
        tiles: The tiles of all pages.
        blank: Tiles with nothing to read, which are neither stored nor read.
        page_sources: Where each page comes from.
    """

    request: Request
    pages: tuple[Size, ...]
    tiles: tuple[Tile, ...]
    blank: frozenset[TileId] = field(default_factory=frozenset)
    page_sources: tuple[PageSource, ...] = ()
    _by_id: dict[TileId, Tile] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {tile.id: tile for tile in self.tiles})

    @property
    def priority(self) -> int:
        """The priority of its messages: the request's, else small jobs first."""
        asked = self.request.priority
        return protocol.choose_priority(len(self.tiles)) if asked is None else asked

    def select_tiles(self, ids: Iterable[TileId]) -> list[Tile]:
        """Return the tiles of these ids; raises KeyError for an id that the job does not have."""
        return [self._by_id[tile_id] for tile_id in ids]

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON."""
        data = {
            "request": json.loads(self.request.to_bytes()),
            "pages": [[page.width, page.height] for page in self.pages],
            "tiles": [_tile_to_json(tile, tile.id in self.blank) for tile in self.tiles],
            "page_sources": [asdict(source) for source in self.page_sources],
        }
        return json.dumps(data, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Return the manifest that `to_bytes` wrote."""
        values = json.loads(data)
        pages = tuple(Size(*page) for page in values["pages"])
        tiles = tuple(_tile_from_json(tile, pages) for tile in values["tiles"])
        blank = frozenset(TileId.parse(tile["id"]) for tile in values["tiles"] if tile.get("blank"))
        sources = tuple(PageSource(**each) for each in values.get("page_sources", ())) or tuple(
            PageSource() for _ in pages
        )
        return cls(Request.from_bytes(json.dumps(values["request"]).encode()), pages, tiles, blank, sources)


def store_manifest(store: Store, manifest: Manifest, *, job: str) -> None:
    """Store the manifest of a split that begins, unless an equal one is there.

    The message of a split may be delivered twice. The first split may have added the blank tiles in the meantime, and
    without them the stitcher would take their places for unread ones.

    Args:
        store: The store.
        manifest: The manifest, without blank tiles.
        job: The job's id.
    """
    key = layout.manifest(job)
    if store.put(key, manifest.to_bytes(), if_absent=True):
        return
    with suppress(DamagedObject):
        if replace(load_object(store, key, parse=Manifest.from_bytes), blank=frozenset()) == manifest:
            return
    store.put(key, manifest.to_bytes())


def _tile_to_json(tile: Tile, blank: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"id": str(tile.id), "box": astuple(tile.box)}
    if tile.core:
        data["core"] = astuple(tile.core)
    return {**data, "blank": True} if blank else data


def _tile_from_json(data: dict[str, Any], pages: tuple[Size, ...]) -> Tile:
    tile_id = TileId.parse(data["id"])
    core = Box(*data["core"]) if "core" in data else None
    return Tile(tile_id, Box(*data["box"]), pages[tile_id.page_index], core)


def restore_status(store: Store, job: str) -> JobStatus:
    """Return the status of a job that the broker has forgotten, from the store alone.

    Args:
        store: The store.
        job: The job's id.

    Returns:
        The status; the state is `queued` if the job has not ended.

    Raises:
        UnknownJob: The store has no request of this job.
    """
    try:
        request = load_object(store, layout.request(job), parse=Request.from_bytes)
    except ObjectNotFound as error:
        raise UnknownJob(f"neither the broker nor the store knows job {job}; `ocrfarm jobs` lists them") from error
    known = request_fields(request)
    for read_fields in (_read_end_note, _read_document):
        with suppress(ObjectNotFound):
            if fields := read_fields(store, job):
                return JobStatus(id=job, **known | fields)
    return JobStatus(id=job, state="queued", **known)


def read_end_state(store: Store, job: str) -> str:
    """Return the state in which a job has ended, as the store knows.

    Args:
        store: The store.
        job: The job's id.

    Returns:
        A final state; `queued` if the job was reopened after its end; "" if it has not ended.
    """
    try:
        state = load_object(store, layout.final_status(job), parse=lambda data: str(json.loads(data)["state"]))
    except ObjectNotFound:
        return "complete" if store.exists(layout.result(job)) else ""
    return "queued" if _lacks_document(store, job, state) else state


def _lacks_document(store: Store, job: str, state: str) -> bool:
    """Return whether it is the end of a job that was reopened while that end was recorded: its document is gone."""
    return state in _DOCUMENT_STATES and not store.exists(layout.result(job))


def record_end(store: Store, status: JobStatus) -> JobStatus:
    """Record in the store how a job has ended; an end that was recorded before stays as it is.

    Args:
        store: The store.
        status: The job's status at its end.

    Returns:
        The status that is recorded now.
    """
    known = _known_end(store, status)
    if known is status:
        store.put(layout.final_status(status.id), make_end_note(status))
    return known


def end_job(jobs: JobStore, store: Store, *, status: JobStatus, generation: int) -> None:
    """End a job that has its document, unless it has ended or was reopened: then its document is gone.

    A broker that comes back from an older state must not end it in another way or at another time, so an end that the
    store knows stays as it is. If this process dies before the store knows the end, the document ends the job again.

    Args:
        jobs: The job states.
        store: The store.
        status: The job's status at its end.
        generation: The number of the job's chord when stitching began; reopening a job changes it.
    """
    known = _known_end(store, status)
    if jobs.update(status.id, generation=generation, **known.end_fields) and known is status:
        store.put(layout.final_status(status.id), make_end_note(status))


def _known_end(store: Store, status: JobStatus) -> JobStatus:
    """Return the status with the end that the store knows; the very same status if it knows none.

    What a document says of its job is true, and not what was recorded of an older one.
    """
    with suppress(ObjectNotFound):
        before = _read_end_note(store, status.id)
        if before and not (before["state"] != status.state and {before["state"], status.state} <= _DOCUMENT_STATES):
            return replace(status, **before)
    return status


def request_fields(request: Request) -> dict[str, Any]:
    """Return the fields of a job's status that come from its request."""
    known = {"name": request.name, "owner": request.owner, "submitted": request.submitted}
    models = {"model": request.profile.recognizer, "profile": request.profile.name}
    return {**known, **models, "webhook": "pending" if request.webhook else ""}


def delete_objects(store: Store, job: str) -> None:
    """Delete everything that the store has of a job: its request first, without which the rest is not a job.

    Args:
        store: The store.
        job: The job's id.
    """
    store.delete([layout.request(job)])
    store.delete(list(store.list(layout.job_prefix(job))))


def make_end_note(status: JobStatus) -> bytes:
    """Return the object that says how a job ended, or that it was reopened (`queued`), as JSON."""
    said = {name: getattr(status, name) for name in ("state", *_END_FIELDS)}
    return json.dumps(said, ensure_ascii=False).encode()


def _read_end_note(store: Store, job: str) -> dict[str, Any]:
    """Return the fields of the status at the job's end; none if the job was reopened.

    Raises:
        ObjectNotFound: The job has not ended.
        InvalidResult: Only a newer version knows the state in which the job has ended.
    """
    found = load_object(store, layout.final_status(job), parse=_parse_end_note)
    if found["state"] == "queued" or _lacks_document(store, job, found["state"]):
        return {}
    if found["state"] not in protocol.FINAL_STATES:
        raise InvalidResult(f"job {job} has ended as {found['state']!r}, which this version does not know; update it")
    return {name: found[name] for name in ("state", *_END_FIELDS) if name in found}


def _parse_end_note(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    return {**found, "state": str(found["state"])}


def _read_document(store: Store, job: str) -> dict[str, Any]:
    return summarize_document(load_object(store, layout.result(job), parse=document_from_json))


def summarize_document(document: Document) -> dict[str, Any]:
    """Return the state and the counts of a job's status that come from its document."""
    coverages = [page.coverage for page in document.pages]
    counts = {name: sum(getattr(each, name) for each in coverages) for name in ("tiles", "blank", "failed")}
    done, state = sum(each.read for each in coverages), "complete" if document.is_complete else "partial"
    return {**counts, "done": done, "state": state}
