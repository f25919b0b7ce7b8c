"""Client and AsyncClient on an embedded farm: the same names do the same."""

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest
import redis

from ocrfarm import AsyncClient, AsyncJob, Client, Job
from ocrfarm.client import JobMetadata, JobOutcome
from ocrfarm.client.batch import SubmitOptions
from ocrfarm.document import Document, Page
from ocrfarm.errors import (
    BrokerUnreachable,
    DamagedImage,
    DamagedObject,
    FarmBusy,
    ImageNotFound,
    JobCancelled,
    SettingsError,
    UnidentifiedImage,
    UnknownJob,
    WaitTimeout,
)
from ocrfarm.farm import protocol
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.settings import Admission, Settings
from ocrfarm.storage import layout

PROFILE = replace(find_profile("synthetic"), tiling=Tiling(512, 128, levels=False))


def draw_image(seed: int, *, side: int = 900, lines: int = 8) -> tuple[bytes, list[str]]:
    pixels, truth = make_synthetic_page(Size(side, side), seed=seed, lines=lines)
    return encode_tile(pixels), sorted(line.text for line in truth)


def texts(document: Document) -> list[str]:
    return sorted(line.text for line in document.lines)


@pytest.fixture
def client(synthetic_farm: EmbeddedFarm) -> Iterator[Client]:
    with Client(settings=synthetic_farm.settings) as client:
        yield client


@pytest.fixture
def settings(synthetic_farm: EmbeddedFarm) -> Settings:
    return synthetic_farm.settings


def _public(kind: type) -> dict[str, inspect.Signature]:
    methods = {name: value for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")}
    return {name: inspect.signature(method) for name, method in methods.items()}


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Job, AsyncJob)])
def test_both_clients_have_the_same_names_and_parameters(one: type, other: type) -> None:
    sync, asynchronous = _public(one), _public(other)
    asynchronous.pop("transfer", None)
    assert sync.keys() == asynchronous.keys()
    same = sync.keys() - {"submit"}  # its options are checked below
    assert {name: list(sync[name].parameters) for name in same} == {
        name: list(asynchronous[name].parameters) for name in same
    }


def test_options_of_many_are_those_of_one() -> None:
    named = [each for each in inspect.signature(Client.submit).parameters.values() if each.kind == each.KEYWORD_ONLY]
    assert {each.name for each in named} == get_type_hints(SubmitOptions).keys()


def test_a_job_from_submit_to_result(client: Client, tmp_path: Path) -> None:
    data, expected = draw_image(1)
    (tmp_path / "page.png").write_bytes(data)
    job = client.submit(tmp_path / "page.png", profile=PROFILE)
    statuses = list(job.progress(60))
    assert statuses[-1].state == "complete"
    assert len(statuses) == len(set(statuses))
    assert texts(job.result()) == expected
    assert tuple(job.pages()) == job.result().pages
    assert job.overview().startswith(b"\x89PNG")
    job.save_image(tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == data
    assert job.id in [status.id for status in client.jobs()]
    assert not job.cancel()
    hit, *_ = job.result().search(expected[0].lower())
    assert hit.line.quad == hit.quad


def test_the_same_with_await(settings: Settings) -> None:
    data, expected = draw_image(2)

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            job = await client.submit(data, profile=PROFILE, name="sheet")
            last = [status async for status in job.progress(60)][-1]
            assert (last.state, last.name) == ("complete", "sheet")
            document = await job.result()
            assert texts(document) == expected
            assert tuple([page async for page in job.pages()]) == document.pages
            assert (await job.overview()).startswith(b"\x89PNG")
            assert job.id in [status.id for status in await client.jobs()]
            assert not await job.cancel()
            await job.resume()
            with pytest.raises(UnknownJob):
                await client.job(protocol.new_job_id()).status()

    asyncio.run(scenario())


def test_errors_are_the_same_on_both_sides(client: Client, settings: Settings) -> None:
    with pytest.raises(DamagedImage):
        client.submit(b"\x89PNG\r\n\x1a\nrubbish").result(60)
    with pytest.raises(ImageNotFound):
        client.submit("nowhere.png")
    with pytest.raises(UnknownJob):
        client.job("../etc")

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            job = await client.submit(b"\x89PNG\r\n\x1a\nrubbish")
            for wait in (job.result(60), job.result()):
                with pytest.raises(DamagedImage):
                    await wait
            with pytest.raises(ImageNotFound):
                await client.submit("nowhere.png")

    asyncio.run(scenario())


def test_what_takes_too_long_is_a_typed_error_and_goes_on(client: Client, settings: Settings) -> None:
    data, _ = draw_image(3, side=3000, lines=60)
    job = client.submit(data, profile=PROFILE)
    with pytest.raises(WaitTimeout, match="continues"):
        job.wait(0)
    with pytest.raises(WaitTimeout):
        asyncio.run(_result(settings, job.id, 0))
    assert job.wait(60).state == "complete"


async def _result(settings: Settings, job: str, timeout: float) -> Document:
    async with AsyncClient(settings=settings) as client:
        return await client.job(job).result(timeout)


def test_a_bar_shows_a_job_to_its_end(client: Client, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = draw_image(4)
    assert client.submit(data, profile=PROFILE, name="sheet\x1b[2J.png").show_progress(60).state == "complete"
    shown = capsys.readouterr().out
    assert r"sheet\x1b[2J.png complete" in shown
    assert "tiles" in shown
    assert asyncio.run(_bar(settings, data)).state == "complete"
    assert "complete" in capsys.readouterr().out


async def _bar(settings: Settings, data: bytes) -> JobStatus:
    async with AsyncClient(settings=settings) as client:
        return await (await client.submit(data, profile=PROFILE)).show_progress(60)


def _draw_images(tmp_path: Path) -> tuple[list[Path], dict[Path, list[str]]]:
    """Write nine images, and name two that cannot be read."""
    expected = {}
    for number in range(9):
        data, lines = draw_image(10 + number, side=600, lines=4)
        path = tmp_path / f"{number}.png"
        path.write_bytes(data)
        expected[path] = lines
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [*expected, tmp_path / "bad.png", tmp_path / "missing.png"]
    return paths, expected


def _check_outcomes(
    outcomes: list[JobOutcome[Job]] | list[JobOutcome[AsyncJob]], expected: dict[Path, list[str]]
) -> None:
    ended = {Path(str(outcome.source)): outcome for outcome in outcomes}
    assert len(ended) == len(outcomes) == 11
    for path in expected:
        status = ended.pop(path).status
        assert status
        assert status.state == "complete"
    by_name = {path.name: outcome for path, outcome in ended.items()}
    assert isinstance(by_name["bad.png"].error, UnidentifiedImage)
    assert by_name["bad.png"].job
    assert isinstance(by_name["missing.png"].error, ImageNotFound)
    assert not by_name["missing.png"].job


def test_many_images_a_few_at_a_time(client: Client, tmp_path: Path) -> None:
    paths, expected = _draw_images(tmp_path)
    taken: list[Path] = []

    def sources() -> Iterator[Path]:
        for path in paths:
            taken.append(path)
            yield path

    outcomes = []
    for outcome in client.submit_many(sources(), max_concurrent=3, profile=PROFILE):
        outcomes.append(outcome)
        assert len(taken) <= len(outcomes) + 2 + 3  # those that ended at the same moment come one by one
        if outcome.job and not outcome.error:
            assert texts(outcome.job.result()) == expected[Path(str(outcome.source))]
    _check_outcomes(outcomes, expected)


def test_many_images_with_await(settings: Settings, tmp_path: Path) -> None:
    paths, expected = _draw_images(tmp_path)

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            found = client.submit_many(paths, max_concurrent=3, profile=PROFILE)
            outcomes = [outcome async for outcome in found]
        _check_outcomes(outcomes, expected)

    asyncio.run(scenario())


def test_whoever_stops_listening_waits_for_nobody(client: Client, settings: Settings) -> None:
    slow, _ = draw_image(5, side=3000, lines=60)
    quick, _ = draw_image(6, side=400, lines=2)
    before = threading.active_count()
    started = time.monotonic()
    outcomes = client.submit_many([quick, slow, slow, slow], max_concurrent=4, profile=PROFILE)
    assert next(outcomes).job
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator
    assert time.monotonic() - started < 30
    assert threading.active_count() <= before + 1

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            found = client.submit_many([quick, slow], max_concurrent=2, profile=PROFILE)
            assert (await anext(found)).job
            await found.aclose()  # type: ignore[attr-defined]
            assert len(asyncio.all_tasks()) <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize("max_concurrent", [0, -1])
def test_none_at_a_time_is_refused(client: Client, settings: Settings, max_concurrent: int) -> None:
    with pytest.raises(SettingsError, match="max_concurrent"):
        next(client.submit_many([b"x"], max_concurrent=max_concurrent))

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            with pytest.raises(SettingsError, match="max_concurrent"):
                await anext(client.submit_many([b"x"], max_concurrent=max_concurrent))

    asyncio.run(scenario())


class FailingSubmit:
    """Refuses the first calls, as a farm does that is busy or away."""

    def __init__(self, client: Client, *errors: Exception) -> None:
        self._submit, self._errors = client.submit, list(errors)

    def __call__(self, *arguments: object, **named: object) -> Job:
        if self._errors:
            raise self._errors.pop()
        return self._submit(*arguments, **named)  # type: ignore[arg-type]


def test_a_farm_that_is_busy_or_away_is_waited_for(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = draw_image(7)
    errors = [FarmBusy("later", 0.1), BrokerUnreachable("away"), FarmBusy("later", 0.1)]
    monkeypatch.setattr("ocrfarm.client.progress._RETRY_DELAYS", (0.1, 0.1))
    monkeypatch.setattr(client, "submit", FailingSubmit(client, *errors))
    (outcome,) = client.submit_many([data], profile=PROFILE)
    assert outcome.status
    assert outcome.status.state == "complete"
    monkeypatch.setattr(client, "submit", FailingSubmit(client, *[BrokerUnreachable("away")] * 3))
    (outcome,) = client.submit_many([data], profile=PROFILE)
    assert isinstance(outcome.error, BrokerUnreachable)

    async def scenario() -> None:
        async with AsyncClient(settings=settings) as other:
            monkeypatch.setattr(other._client, "submit", FailingSubmit(client, *errors))
            (outcome,) = [each async for each in other.submit_many([data], profile=PROFILE)]
            assert outcome.status
            assert outcome.status.state == "complete"

    monkeypatch.undo()
    monkeypatch.setattr("ocrfarm.client.progress._RETRY_DELAYS", (0.1, 0.1))
    asyncio.run(scenario())


def test_a_busy_farm_refuses_with_a_time(settings: Settings) -> None:
    crowded = replace(settings, admission=replace(Admission(), max_pending_tiles=1))
    data, _ = draw_image(8, side=3000, lines=60)
    with Client(settings=crowded) as client:
        job = client.submit(data, profile=PROFILE)
        next(status for status in job.progress(60) if status.tiles)
        with pytest.raises(FarmBusy) as caught:
            client.submit(data, profile=PROFILE)
        assert caught.value.retry_after > 0
        assert job.cancel()
        with pytest.raises(JobCancelled):
            job.result(60)


def test_a_closed_client_leaves_no_connection(settings: Settings) -> None:
    data, _ = draw_image(9)
    path = settings.endpoints.broker.removeprefix("redis+socket://")
    with Client(settings=settings) as client:
        client.submit(data, profile=PROFILE).wait(60)  # the workers have opened what they keep
    with redis.Redis(unix_socket_path=path, decode_responses=True) as server:
        before = {each["id"] for each in server.client_list()}
        with Client(settings=settings) as client:
            client.submit(data, profile=PROFILE).wait(60)
            client.jobs()
            assert {each["id"] for each in server.client_list()} - before
        deadline = time.monotonic() + 5
        while left := [each for each in server.client_list() if each["id"] not in before]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert client.jobs()
        client.close()


def test_pages_come_one_by_one(client: Client) -> None:
    data, _ = draw_image(11)
    job = client.submit(data, profile=PROFILE)
    pages = job.pages(60)
    assert isinstance(next(pages), Page)
    assert next(pages, None) is None
    assert isinstance(pages, Iterator)
    assert not isinstance(pages, AsyncIterator)


@pytest.mark.parametrize("answer", [b"<html>", b"", b'{"format": "ocrf'])
def test_a_result_that_is_none_is_a_typed_error(client: Client, answer: bytes) -> None:
    job = client.submit(draw_image(8)[0], profile=PROFILE)
    job.result(60)
    client._connections.store.put(layout.result(job.id), answer)
    with pytest.raises(DamagedObject, match="ocrfarm resume"):
        job.result(60)
    with pytest.raises(DamagedObject):
        next(job.pages(60))


def test_jobs_are_listed_by_owner(client: Client, settings: Settings) -> None:
    data, _ = draw_image(12)
    mine = [client.submit(data, profile=PROFILE, metadata=JobMetadata(owner="dora")).id for _ in range(3)]
    other = client.submit(data, profile=PROFILE, metadata=JobMetadata(owner="emil"))
    assert [status.id for status in client.jobs("dora")] == mine[::-1]
    assert [status.id for status in client.jobs("dora", 2)] == mine[:0:-1]
    assert {*mine, other.id} <= {status.id for status in client.jobs()}
    assert client.job(mine[0]).wait(60).owner == "dora"
    assert not client.jobs("nobody")
    other.wait(60)
    assert client.count_active("emil") == 0
    open_job_store(settings).recovery.delete_job(other.id)
    assert not client.jobs("emil")


def test_images_on_their_way_hold_up_nobody_else(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncClient(settings=settings) as client:
            ends = threading.Event()
            moving = [asyncio.create_task(client.transfer(ends.wait)) for _ in range(50)]
            assert await asyncio.wait_for(client.jobs(), 20) is not None
            ends.set()
            assert all(await asyncio.gather(*moving))

    asyncio.run(scenario())
