"""A machine and the services of its farm -> findings: what works, what may cause problems, and what prevents work."""

from ocrfarm.doctor.finding import CheckContext, Finding
from ocrfarm.doctor.run_checks import run_checks

__all__ = ["CheckContext", "Finding", "run_checks"]
