"""Images that are made to harm: each fails with its reason, in bounded memory and time, and no worker is hurt."""

import time
import uuid
from pathlib import Path

from ocrfarm.errors import InputError
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, run_farm
from tests.support.malicious_files import malicious_files
from tests.support.programs import run_python
from tests.support.servers import ValkeyServer

MAX_MEGABYTES = 400
"""What the splitter may have at most: less than it takes to hold the largest of these images, or to believe them."""

MAX_SECONDS = 30


def test_hostile_images_fail_with_a_reason_and_hurt_no_worker(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(
        places, task_limits=TaskLimits(job_time_limit=MAX_SECONDS), admission=Admission(split_memory_mb=MAX_MEGABYTES)
    )
    with run_farm(settings, tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        (child,) = farm.children("control")
        wrong = {what: told for what, bomb in malicious_files().items() if (told := _check_job(farm, *bomb))}
        assert not wrong
        assert farm.children("control") == [child]
        assert _peak_megabytes(child) < MAX_MEGABYTES


def _check_job(farm: ProcessFarm, data: bytes, right: tuple[type[InputError], ...]) -> str:
    """Give what is wrong with how the farm takes a file; nothing where all is well."""
    started = time.monotonic()
    status = farm.wait(farm.submit(data), seconds=2 * MAX_SECONDS)
    seconds = time.monotonic() - started
    if seconds > MAX_SECONDS:
        return f"took {seconds:.0f} s"
    if status.state == "complete" and not right:
        return ""
    failure = status.make_error()
    fine = isinstance(failure, right) and "\n" not in str(failure) and "page.png" in str(failure)
    return "" if fine else f"{status.state}: {failure!r}"


def _peak_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peak / 1024


def test_loaders_that_were_never_hardened_are_shut_in_a_worker(tmp_path: Path) -> None:
    script = """
import sys, pyvips
def opens():
    try:
        return pyvips.Image.new_from_file(sys.argv[1]).width
    except pyvips.Error:
        return 0
pyvips.Image.black(4, 4).write_to_file(sys.argv[1])
print(opens(), end=" ")
from ocrfarm.worker import celery_worker
from ocrfarm.farm import handlers
print(opens())
"""
    assert run_python(script, str(tmp_path / "image.v")) == "4 0"
