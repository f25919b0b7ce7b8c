"""The order in which things are looked at: what is quick and explains what follows comes first."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ocrfarm.doctor import broker, gpu, machine, packages, smoke_test, store
from ocrfarm.doctor.finding import CheckContext, Finding, run_check

Check = Callable[[CheckContext], Iterable[Finding]]

_COMMON_CHECKS: dict[str, Check] = {
    "python": packages.check_python,
    "packages": packages.check_packages,
    "disk": machine.check_disk,
    "shm": machine.check_shared_memory,
    "broker": broker.check_broker,
    "store": store.check_store,
}
_MODEL_CHECKS: dict[str, Check] = {
    "libraries": packages.check_libraries,
    "threads": machine.check_threads,
    "memory": machine.check_memory,
    "weights": packages.check_weights,
    "gpu": gpu.check_gpu,
}
_SMOKE_TESTS: dict[str, Check] = {"provider": smoke_test.check_recognition}


def run_checks(context: CheckContext) -> Iterator[Finding]:
    """Look at everything that the context's roles need and give each finding as it is made.

    The long form also loads the models, in a process of their own, and reads an image whose text is known.
    """
    checks = dict(_COMMON_CHECKS)
    if context.has_models:
        checks |= _MODEL_CHECKS
    if "recognize" in context.roles and not context.quick:
        checks |= _SMOKE_TESTS
    for name, check in checks.items():
        yield from run_check(context, name, check=partial(check, context))
