"""`scripts/bench scale` measures: its engine, its pages and its counters fit the farm."""

from click.testing import CliRunner

from tests.benchmarks.scale import scale


def test_small_pages_are_measured() -> None:
    ran = CliRunner().invoke(scale, ["--only", "tiles", "--tiles", "9", "--rounds", "1"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert ran.output.splitlines()[2].split()[0] == "9"
