"""`scripts/bench same-id`: a page with blank tiles is submitted twice under one id, at moments of all kinds."""

import threading
import time
from collections import Counter

import click
import numpy as np

from ocrfarm.farm import protocol
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.submit import submit
from ocrfarm.image import decode_tile, encode_tile
from tests.benchmarks.record import record_figures, record_option
from tests.support.farm_fixture import CONTROL, FARM_PROFILE, STRIDE, SyntheticPage, draw_page, find_lost_and_duplicated
from tests.support.faults import FaultRig, run_rig

TILES, BLANK_ROWS = 12, 3
"""Tiles across and down, and rows of them without a line: 144 tiles, of which 36 are blank."""

JOB_TIMEOUT = 240
"""Seconds after which a job counts as stuck."""


@click.command("same-id")
@click.option("--moments", default=20, show_default=True, help="Jobs whose second submission comes later and later.")
@click.option("--thread-rounds", default=8, show_default=True, help="Jobs that are submitted from 20 threads at once.")
@record_option
def same_id(*, moments: int, thread_rounds: int, record: bool) -> None:
    """Submit a page of 144 tiles, 36 of them blank, twice under one id; with two splitters."""
    page, problems = draw_page_with_blank_tiles(), Counter[str]()
    with run_rig() as rig:
        rig.farm.start("second control", CONTROL)
        rig.farm.wait_ready("second control")
        for moment in range(moments):
            problems[_judge(rig, page, _submit_twice(rig, page, moment / moments))] += 1
        click.echo(f"{moments} moments: {dict(problems)}")
        threads = Counter(_judge(rig, page, _submit_from_threads(rig, page)) for _ in range(thread_rounds))
        click.echo(f"{thread_rounds} times from 20 threads: {dict(threads)}")
    if record:
        wrong = (problems + threads).total() - problems["complete"] - threads["complete"]
        record_figures({"chaos.same_id": (moments + thread_rounds, ""), "chaos.same_id_wrong": (wrong, "")})


def draw_page_with_blank_tiles() -> SyntheticPage:
    """Give a page of 144 tiles whose last rows are blank."""
    page, limit = draw_page(TILES, TILES), STRIDE * (TILES - BLANK_ROWS)
    lines = {text: box for text, box in page.lines.items() if box.y1 <= limit}
    pixels = np.array(decode_tile(page.png))
    pixels[max(box.y1 for box in lines.values()) + 1 :] = 255
    return SyntheticPage(encode_tile(pixels), lines)


def _submit(rig: FaultRig, page: SyntheticPage, job: str) -> None:
    request = Request("page.png", FARM_PROFILE, time.time(), None)
    submit(rig.farm.submitter, request, source=page.png, job=job)


def _submit_twice(rig: FaultRig, page: SyntheticPage, done: float) -> str:
    """Submit, wait until this part of the tiles is read, and submit again."""
    job, limit = protocol.new_job_id(), done * TILES * (TILES - BLANK_ROWS)
    _submit(rig, page, job)
    rig.farm.wait(job, lambda status: status.done >= limit or status.has_ended, seconds=JOB_TIMEOUT)
    _submit(rig, page, job)
    return job


def _submit_from_threads(rig: FaultRig, page: SyntheticPage) -> str:
    job = protocol.new_job_id()
    threads = [threading.Thread(target=_submit, args=(rig, page, job)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return job


def _judge(rig: FaultRig, page: SyntheticPage, job: str) -> str:
    try:
        status = rig.farm.wait(job, seconds=JOB_TIMEOUT)
    except AssertionError:
        return "STUCK"
    lost, doubled = find_lost_and_duplicated(rig.farm.document(job), page.lines)
    if lost or doubled or status.blank != TILES * BLANK_ROWS:
        return f"{status.state}, {len(lost)} lost, {len(doubled)} doubled, {status.blank} blank"
    return status.state
