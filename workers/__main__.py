"""python -m workers split|recognize|stitch|...: the same as `ocrfarm worker`."""

import sys

from ocrfarm.worker.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
