"""All checks in order: quick ones, and those that explain later failures, come first."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ocrfarm.doctor import gpu, machine, packages, services, smoke_test
from ocrfarm.doctor.finding import CheckContext, Finding, run_check

Check = Callable[[CheckContext], Iterable[Finding]]

_COMMON_CHECKS: dict[str, Check] = {
    "python": packages.check_python,
    "packages": packages.check_packages,
    "disk": machine.check_disk,
    "shm": machine.check_shared_memory,
    "broker": services.check_broker,
    "store": services.check_store,
}
_MODEL_CHECKS: dict[str, Check] = {
    "libraries": packages.check_libraries,
    "threads": machine.check_threads,
    "memory": machine.check_memory,
    "weights": packages.check_weights,
    "gpu": gpu.check_gpu,
}
_SMOKE_TESTS: dict[str, Check] = {"recognition.load": smoke_test.check_recognition}


def run_checks(context: CheckContext) -> Iterator[Finding]:
    """Run the checks that the context's roles need, and yield each finding as soon as it is there.

    Unless `context.quick`, the models are loaded as well, in a separate process, and read an image with known text.
    """
    checks = dict(_COMMON_CHECKS)
    if context.has_models:
        checks |= _MODEL_CHECKS
    if "recognize" in context.roles and not context.quick:
        checks |= _SMOKE_TESTS
    for name, check in checks.items():
        yield from run_check(context, name, check=partial(check, context))
