"""What becomes of each error at each task, as the table in `ocrfarm.farm.tasks` says."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from ocrfarm.errors import (
    BrokerUnreachable,
    DamagedImage,
    JobCancelled,
    StoreFull,
    StoreUnreachable,
    TaskTimeLimit,
)
from ocrfarm.farm import handlers, protocol, tasks
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.protocol import Generation
from ocrfarm.tile import TileId
from tests.support.farm_fixture import draw_page
from tests.support.in_process_farm import InProcessFarm

PAGE = draw_page(1, 1)

Outcome = Literal["requeue", "fail", "ignore", "process ends"]

STAGES = ("split", "recognize", "second pass", "stitch", "resume")

ROWS: list[tuple[BaseException, Outcome, Outcome, int]] = [
    # error -> split, stitch, resume; recognize and second pass; attempts of split, stitch, resume that count
    (StoreUnreachable("it does not answer"), "requeue", "requeue", 0),
    (BrokerUnreachable("it does not answer"), "requeue", "requeue", 0),
    (DamagedImage("the image is damaged"), "fail", "fail", 1),
    (StoreFull("the disk is full"), "fail", "fail", 1),
    (JobCancelled("the job has ended"), "ignore", "ignore", 1),
    (SoftTimeLimitExceeded(), "fail", "requeue", 1),
    (TaskTimeLimit("too long"), "fail", "requeue", 1),
    (MemoryError(), "fail", "process ends", 1),
    (KeyboardInterrupt(), "process ends", "process ends", 0),
    (Reject("the worker stops", requeue=True), "requeue", "requeue", 0),
    (OperationalError("connection lost"), "requeue", "ignore", 0),
    (RuntimeError("a bug"), "fail", "fail", 1),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "fail", "fail", 1),
]


def _run(farm: InProcessFarm, stage: str, job: str) -> Outcome:
    """Run a task as a worker's child does, and return what becomes of it."""
    app = make_app(farm.services.settings)
    tasks.register_tasks(app, lambda: farm.services)
    is_batch = stage in ("recognize", "second pass")
    name = protocol.RECOGNIZE if is_batch else f"ocrfarm.{stage}"
    args: list[Any] = [job]
    if is_batch:
        args.append([str(TileId(0, 0, 0, 0))])
    try:
        result: Any = app.tasks[name].apply(
            args=tuple(args), task_id=protocol.batch_id(job, 0, generation=Generation())
        )
    except (KeyboardInterrupt, SystemExit):
        return "process ends"
    if result.state == "REJECTED":
        assert result.result.requeue
        return "requeue"
    return "fail" if farm.status(job).state == "failed" else "ignore"


def _break_stage(farm: InProcessFarm, monkeypatch: pytest.MonkeyPatch, stage: str, fail: Callable[..., Any]) -> None:
    monkeypatch.setattr(tasks, "_REQUEUE_DELAY", 0)
    monkeypatch.setattr(tasks, "is_second_pass_batch", lambda batch: stage == "second pass")
    monkeypatch.setattr(tasks, "recognize_regions", fail)
    monkeypatch.setattr(tasks, "requeue_unread", lambda *_, **__: False)  # the first step of stitch
    monkeypatch.setattr(tasks, "clear_dead_letters", fail)  # the first step of resume
    for name in ("split", "recognize", "stitch"):
        monkeypatch.setattr(handlers, name, fail)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("error", "control", "batch", "counted"), ROWS, ids=lambda value: type(value).__name__)
def test_every_error_at_every_task_has_the_outcome_of_the_table(
    in_process_farm: InProcessFarm,
    monkeypatch: pytest.MonkeyPatch,
    *,
    error: BaseException,
    control: Outcome,
    batch: Outcome,
    counted: int,
    stage: str,
) -> None:
    farm = in_process_farm
    job = farm.submit(PAGE.png)

    def fail(*_: object, **__: object) -> None:
        if isinstance(error, JobCancelled):
            farm.services.jobs.update(job, state="cancelled")
        raise error

    _break_stage(farm, monkeypatch, stage, fail)
    is_batch = stage in ("recognize", "second pass")
    wanted = batch if is_batch else control
    assert _run(farm, stage, job) == wanted
    assert bool(farm.status(job).error) == (wanted == "fail")
    if not is_batch:
        attempts = farm.services.jobs.attempts.get_state(job, f"ocrfarm.{stage}").attempts
        assert attempts == counted
