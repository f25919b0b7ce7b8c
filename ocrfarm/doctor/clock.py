"""Two clocks: how far apart, and whether the farm can bear it."""

from ocrfarm.doctor.finding import Finding, fail, ok, warn
from ocrfarm.errors import OcrfarmError

_WARN_SKEW, _FAIL_SKEW = 30.0, 450.0
"""Seconds: ages in lists and metrics are visibly wrong from the first on; the second is half of the 15 minutes after
which S3 refuses requests, and more than the 5 that a message is lent to a worker for."""


def compare_clocks(name: str, theirs: float, *, ours: float) -> Finding:
    """Compare another's time with this machine's, both in seconds since 1970."""
    ahead = theirs - ours
    fact = f"its clock is {ahead:+.1f} s from this machine's"
    advice = "let both follow NTP (`timedatectl set-ntp true`)"
    if abs(ahead) >= _FAIL_SKEW:
        return fail(name, fact, advice=advice, kind=OcrfarmError)
    return warn(name, fact, advice=advice) if abs(ahead) >= _WARN_SKEW else ok(name, fact)
