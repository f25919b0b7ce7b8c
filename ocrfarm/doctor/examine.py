"""The order in which things are looked at: what is quick and explains what follows comes first."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ocrfarm.doctor import broker, gpu, machine, packages, reading, store
from ocrfarm.doctor.finding import Case, Finding, attempt

Look = Callable[[Case], Iterable[Finding]]

_EVERYWHERE: dict[str, Look] = {
    "python": packages.python,
    "packages": packages.packages,
    "disk": machine.disk,
    "shm": machine.shared_memory,
    "broker": broker.broker,
    "store": store.store,
}
_WHERE_MODELS_RUN: dict[str, Look] = {
    "libraries": packages.libraries,
    "threads": machine.threads,
    "memory": machine.memory,
    "weights": packages.weights,
    "gpu": gpu.gpu,
}
_WITH_MODELS: dict[str, Look] = {"provider": reading.reading}


def examine(case: Case) -> Iterator[Finding]:
    """Look at everything that the case's stages need and give each finding as it is made.

    The long form also loads the models, in a process of their own, and reads a picture whose text is known.
    """
    looks = dict(_EVERYWHERE)
    if case.reads:
        looks |= _WHERE_MODELS_RUN
    if "recognize" in case.stages and not case.short:
        looks |= _WITH_MODELS
    for name, look in looks.items():
        yield from attempt(case, name, look=partial(look, case))
