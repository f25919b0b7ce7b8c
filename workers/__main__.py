"""`python -m workers ROLE`: the same as `ocrfarm worker ROLE`."""

import sys

from ocrfarm.worker.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
