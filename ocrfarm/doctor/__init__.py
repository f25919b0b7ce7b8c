"""A machine and the services of its farm -> findings: what is right, what is odd, what keeps a worker from its work."""

from ocrfarm.doctor.examine import examine
from ocrfarm.doctor.finding import Case, Finding

__all__ = ["Case", "Finding", "examine"]
