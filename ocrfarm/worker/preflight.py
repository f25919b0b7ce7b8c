"""A worker looks at its machine and its services before it joins a queue, and leaves where it could only do harm."""

import logging

from ocrfarm.doctor import CheckContext, run_checks
from ocrfarm.worker import health

_log = logging.getLogger(__name__)


def check(case: CheckContext, *, name: str) -> None:
    """Log what is odd; raise the error of the first failure, which the health files and the exit code then tell."""
    failures = []
    for finding in run_checks(case):
        if finding.state != "ok":
            _log.log(logging.ERROR if finding.state == "failure" else logging.WARNING, "%s", finding.sentence)
        if finding.state == "failure":
            failures.append(finding)
    if failures:
        error = failures[0].kind(f"this worker is not fit to start ({failures[0].name}): {failures[0].sentence}")
        health.mark_broken(case.settings.endpoints.health_dir, name, error=error)
        raise error
