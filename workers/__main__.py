"""`python -m workers ROLE`: the same as `ocrfarm worker ROLE`."""

from ocrfarm.cli.worker import worker

if __name__ == "__main__":
    worker(prog_name="python -m workers")
