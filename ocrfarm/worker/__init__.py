"""The processes of a farm: `ocrfarm worker split|recognize|stitch|api|webhooks|metrics|flower`."""

import os

# Celery reads this when it is first imported. With it, SIGTERM returns running tasks to their queue once the shutdown
# timeout has passed; by default Celery waits for them without a limit until the supervisor kills the worker.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
