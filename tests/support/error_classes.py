"""Every class of error that ocrfarm defines."""

import inspect

from ocrfarm import errors
from ocrfarm.errors import OcrfarmError

ERRORS = [item for item in vars(errors).values() if inspect.isclass(item) and issubclass(item, OcrfarmError)]
