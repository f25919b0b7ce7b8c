"""The processes of a farm: ocrfarm worker split|recognize|stitch|..."""

import os

# Celery reads this when it is first imported: on SIGTERM, running tasks go back to their queue after the soft limit,
# where the default waits for them without bound until the supervisor kills the worker.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
