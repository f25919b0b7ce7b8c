"""Every error that ocrfarm raises, as one tree with exit codes.

A message says what happened, where, and what to do about it. The numbers are the exit codes of the command line; 1 is
an error in ocrfarm itself and 2 a wrong command line. After a `retryable` error the same call may succeed later.

OcrfarmError                 1
|-- InputError               3  the image cannot be read
|   |-- UnidentifiedImage
|   |-- DamagedImage
|   |-- TooLarge
|   |-- EncryptedFile
|   |-- NoImagesFound
|   |-- InvalidResult
|   `-- ImageNotFound
|-- SettingsError            4  a setting, profile or model name is invalid
|   |-- UnknownProfile
|   |-- UnknownModel
|   |-- UnknownFormat
|   `-- MissingPackage
|-- WeightsError             5  weights are missing or have the wrong hash
|-- EngineError              6  the engine cannot start or failed (`EngineFailed` is retryable)
|   `-- EngineFailed
|-- StoreError               7  the store cannot be used
|   |-- ObjectNotFound
|   |-- StoreDenied
|   |-- StoreFull
|   |-- DamagedObject
|   `-- StoreUnreachable        (retryable)
|-- BrokerError              8  the broker cannot be used
|   |-- BrokerUnreachable       (retryable)
|   `-- BrokerFull              (retryable)
|-- FarmError                9  the embedded farm cannot start (a port is in use, a server exited)
|-- JobError                 10 the job is unknown, failed or was cancelled
|   |-- UnknownJob
|   |-- JobFailed
|   `-- JobCancelled
|-- WaitTimeout             11 timed out waiting for a job or an event
|-- PartialResult           12 the result was written, but a part of the page was not read
`-- FarmBusy                13 the farm is at capacity; `retry_after` says when to try again

`TaskTimeLimit` is a `BaseException` outside the tree, so that an `except Exception` in an engine cannot catch it.
"""

from typing import ClassVar


class OcrfarmError(Exception):
    """Base class of all errors that a user can understand and act on.

    Attributes:
        exit_code: Exit code of the command line.
        retryable: Whether the same call may succeed later.

    Examples:
        >>> StoreUnreachable("cannot read jobs/a1/source: the store does not answer").exit_code
        7
        >>> StoreUnreachable.retryable, StoreDenied.retryable
        (True, False)
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class InputError(OcrfarmError):
    """The image cannot be read."""

    exit_code = 3


class UnidentifiedImage(InputError):
    """The file is empty or in a format that ocrfarm does not read."""


class DamagedImage(InputError):
    """The file starts like an image, but its pixels cannot be decoded."""


class TooLarge(InputError):
    """The header claims more pixels, bytes or pages than the limits allow."""


class EncryptedFile(InputError):
    """The file requires a password."""


class NoImagesFound(InputError):
    """The folder or list contains no image."""


class InvalidResult(InputError):
    """The file is missing or is not a result of ocrfarm."""


class ImageNotFound(InputError):
    """There is no such image, or it is not the one that a result was read from."""


class SettingsError(OcrfarmError):
    """A setting, a profile or a model name is invalid."""

    exit_code = 4


class UnknownProfile(SettingsError):
    """No profile has this name, and there is no profile file at this path."""


class UnknownModel(SettingsError):
    """No model in the registry has this name."""


class UnknownFormat(SettingsError):
    """No format has this name."""


class MissingPackage(SettingsError):
    """The requested feature needs a package that is not installed."""


class WeightsError(OcrfarmError):
    """Weights are missing, cannot be fetched, or have the wrong hash."""

    exit_code = 5


class EngineError(OcrfarmError):
    """The engine cannot start: a device, a provider or a package is missing."""

    exit_code = 6


class EngineFailed(EngineError):
    """The engine failed on one tile; another attempt may succeed."""

    retryable = True


class StoreError(OcrfarmError):
    """The store cannot be used."""

    exit_code = 7


class ObjectNotFound(StoreError):
    """The store has no object of this name."""


class StoreDenied(StoreError):
    """The store rejects the credentials or does not permit the operation."""


class StoreFull(StoreError):
    """The store has no space left for the object."""


class DamagedObject(StoreError):
    """An object of a job is not what was stored."""


class StoreUnreachable(StoreError):
    """The store does not answer."""

    retryable = True


class BrokerError(OcrfarmError):
    """The broker cannot be used."""

    exit_code = 8


class BrokerUnreachable(BrokerError):
    """The broker does not answer."""

    retryable = True


class BrokerFull(BrokerError):
    """The broker has no memory left for new messages or job states."""

    retryable = True


class FarmError(OcrfarmError):
    """The embedded farm cannot start, or one of its processes exited."""

    exit_code = 9


class JobError(OcrfarmError):
    """The job did not end with a result."""

    exit_code = 10


class UnknownJob(JobError):
    """Neither the broker nor the store knows this job."""


class JobFailed(JobError):
    """The job ended without a result; the message contains the reason."""


class JobCancelled(JobError):
    """The job was cancelled."""


class WaitTimeout(OcrfarmError):
    """Timed out waiting for a job or an event."""

    exit_code = 11


class PartialResult(OcrfarmError):
    """The result was written, but a part of the page was not read; its coverage says which part and why."""

    exit_code = 12


class FarmBusy(OcrfarmError):
    """The farm is at capacity and did not accept the job.

    Attributes:
        retry_after: Seconds after which another attempt is likely to succeed.
    """

    exit_code = 13

    def __init__(self, message: str, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TaskTimeLimit(BaseException):
    """A task's soft time limit has passed."""


def find_error(name: str, default: type[OcrfarmError]) -> type[OcrfarmError]:
    """Return the class of an error that another process reported by its name.

    Args:
        name: The name of the class.
        default: The class for any other name, such as that of a newer release.

    >>> find_error("DamagedImage", JobFailed).__name__, find_error("ZeroDivisionError", JobFailed).__name__
    ('DamagedImage', 'JobFailed')
    """
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, OcrfarmError) else default
