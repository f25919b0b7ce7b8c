"""`scripts/bench`: one command a set of figures."""

import click

from tests.benchmarks.accuracy import accuracy
from tests.benchmarks.reading import read


@click.group()
def bench() -> None:
    """Print the figures that the documentation claims, measured on this machine."""


bench.add_command(accuracy)
bench.add_command(read)

if __name__ == "__main__":
    bench(prog_name="scripts/bench")
