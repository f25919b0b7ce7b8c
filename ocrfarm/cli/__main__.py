"""python -m ocrfarm.cli: the same as `ocrfarm`."""

from ocrfarm.cli.main import main

main()
