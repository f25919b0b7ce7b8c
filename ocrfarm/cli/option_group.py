"""Options of the command line that belong together, handed to a command as one value."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

Command = Callable[..., None]


def group_options(
    name: str, make: Callable[..., object], *options: Callable[[Any], Any]
) -> Callable[[Command], Command]:
    """Give a command the options, and hand what `make` makes of their values to its argument `name`."""
    keys = list(inspect.signature(make).parameters)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_one(*arguments: object, **values: object) -> None:
            own = {key: values.pop(key) for key in keys}
            command(*arguments, **{name: make(**own)}, **values)

        for option in reversed(options):
            option(with_one)
        return with_one

    return decorate
