"""`scripts/bench`: one command a set of figures."""

import click

from tests.benchmarks.accuracy import accuracy
from tests.benchmarks.bounds import bounds
from tests.benchmarks.calibrate import calibrate
from tests.benchmarks.cascade import cascade
from tests.benchmarks.chaos import chaos
from tests.benchmarks.connections import connections
from tests.benchmarks.fuzz import mutants
from tests.benchmarks.model import model
from tests.benchmarks.pdf import pdf
from tests.benchmarks.read_sheet import read
from tests.benchmarks.same_id import same_id
from tests.benchmarks.scale import scale
from tests.benchmarks.soak import soak
from tests.benchmarks.sparse import sparse
from tests.benchmarks.speed import speed
from tests.benchmarks.store_calls import store_calls
from tests.benchmarks.viewer import viewer


@click.group()
def bench() -> None:
    """Print the figures that the documentation claims, measured on this machine."""


bench.add_command(accuracy)
bench.add_command(bounds)
bench.add_command(calibrate)
bench.add_command(cascade)
bench.add_command(chaos)
bench.add_command(connections)
bench.add_command(model)
bench.add_command(mutants)
bench.add_command(pdf)
bench.add_command(read)
bench.add_command(same_id)
bench.add_command(scale)
bench.add_command(soak)
bench.add_command(sparse)
bench.add_command(speed)
bench.add_command(store_calls)
bench.add_command(viewer)

if __name__ == "__main__":
    bench(prog_name="scripts/bench")
