"""A user's script, which a type checker must understand without a single Any.

It is checked in the repository by `mypy`, and against the wheel by `tests/unit/test_wheel.py`; nothing runs it.
"""

# mypy: disallow-any-expr, disallow-any-decorated, disallow-any-explicit
# ruff: noqa: T201

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

from ocrfarm import AsyncClient, AsyncJob, Box, Client, Document, Hit, Job, Line, OcrfarmError, Page, __version__
from ocrfarm.client import ImageInput, JobMetadata, JobOutcome, SubmitOptions
from ocrfarm.errors import FarmBusy, InputError, WaitTimeout
from ocrfarm.export import Target, export
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import Engine, Profile, WeightsFolders, find_profile, load_engine
from ocrfarm.result import SourceInfo, document_from_json
from ocrfarm.result.formats import find_formats
from ocrfarm.selection import Selection, parse_page_ranges, parse_region
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.storage.store import Store

SELECTION = Selection(parse_page_ranges("1-3"), 300, (parse_region("0,0,900,400"),))


def submit(source: ImageInput) -> Document | None:
    """Submit an image, follow its job and return the document."""
    with Client("redis://localhost:6379/0", "s3://ocr", settings=Settings()) as client:
        try:
            metadata = JobMetadata(owner="dora")
            job: Job = client.submit(source, profile="accurate", selection=SELECTION, metadata=metadata)
        except FarmBusy as error:
            print("retry after", error.retry_after + 1.0)
            return None
        for status in job.progress(timeout=60, heartbeat=True):
            print(status.state.upper(), status.done + status.blank + status.failed, status.tiles, status.finished)
        print([each.id for each in client.jobs("dora", 10)], client.count_active("dora"), job.overview(0)[:4])
        return job.result(timeout=60)


def submit_folder(folder: Path, options: SubmitOptions) -> Iterator[str]:
    """Submit the images of a folder."""
    with Client() as client:
        for outcome in client.submit_many(folder.iterdir(), max_concurrent=8, **options):
            typed: JobOutcome[Job] = outcome
            if typed.error or not typed.job:
                yield f"{typed.source!r}: {typed.error}"
            else:
                yield "\n".join(line.text for page in typed.job.pages() for line in page.lines)


async def submit_async(source: ImageInput) -> str:
    """Do the same with `asyncio`."""
    async with AsyncClient() as client:
        job: AsyncJob = await client.submit(source, profile=find_profile("fast"), priority=0)
        async for status in job.progress():
            print(status.state, status.waiting)
        async for outcome in client.submit_many([source], name="sheet"):
            print(outcome.job.id if outcome.job else outcome.error)
        return (await job.result()).text


def ask(document: Document) -> list[Line]:
    """Use what a document offers."""
    hits: list[Hit] = [*document.search("pump"), *document.search(re.compile(r"DN\d+"))]
    for hit in hits:
        print(hit.page, hit.text, [round(x) for x, _ in hit.quad.points])
    pages: tuple[Page, ...] = document.pages
    print(__version__, [page.coverage.fraction_read for page in pages], document.is_complete)
    return list(document.lines_in(Box(0, 0, 100, 100)))


def read_here(path: Path, profile: Profile, store: Store) -> Document:
    """Read in this process, and write the results."""
    engine: Engine = load_engine(profile, WeightsFolders(Path("weights"), None))
    document = run_pipeline(path, engine, profile=profile, selection=SELECTION).document
    data: bytes = store.get("sheet.json")
    print(document_from_json(data).text, [key.upper() for key in store.list("")])
    return document


def write(document: Document, target: Target, source: SourceInfo) -> None:
    """Write the results in several formats."""
    export(document, target, source=source)


if __name__ == "__main__":
    try:
        found = submit("sheet.png")
        if found:
            ask(found)
        asyncio.run(submit_async(b"an image"))
        print(*submit_folder(Path("scans"), {"profile": "fast", "priority": 9}))
        read_here(Path("sheet.png"), find_profile("fast"), open_store("s3://ocr"))
        print(Target(Path("out"), find_formats("json,csv")))
    except (InputError, WaitTimeout, OcrfarmError) as problem:
        print(type(problem).__name__, problem.exit_code, problem.retryable)
