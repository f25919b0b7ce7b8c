"""Every error that ocrfarm raises: the message says what, where and what to do; the number is the exit code.

1 is an error of ocrfarm's own, 2 a wrong command line.

OcrfarmError                 1
|-- InputError               3  the image cannot be read
|   |-- UnidentifiedImage
|   |-- DamagedImage
|   |-- TooLarge
|   |-- EncryptedFile
|   |-- NoImagesFound
|   |-- InvalidResult
|   `-- ImageNotFound
|-- SettingsError            4  a setting, profile or model name makes no sense
|   |-- UnknownProfile
|   |-- UnknownModel
|   |-- UnknownFormat
|   `-- MissingPackage
|-- WeightsError             5  weights are missing or not what they should be
|-- EngineError              6  the engine cannot start or broke (`EngineFailed` may pass: retryable)
|   `-- EngineFailed
|-- StoreError               7  the store cannot be used
|   |-- ObjectNotFound
|   |-- StoreDenied
|   |-- StoreFull
|   `-- StoreUnreachable        (retryable)
|-- BrokerError              8  the broker cannot be used
|   |-- BrokerUnreachable       (retryable)
|   `-- BrokerFull              (retryable)
|-- FarmError                9  the embedded farm cannot start (a port is taken, a server died)
|-- JobError                 10 the job is unknown, failed or was cancelled
|   |-- UnknownJob
|   |-- JobFailed
|   `-- JobCancelled
|-- WaitTimeout          11 what was waited for did not come in time
|-- PartialResult           12 the result is there, but a part of the page was not read
`-- FarmBusy                13 the farm has enough to do; `retry_after` says when to come back

TaskTimeLimit stands apart: it stops whatever runs, so that no `except Exception` of an engine holds it back.
"""

from typing import ClassVar


class OcrfarmError(Exception):
    """Something that a person can understand and act on went wrong."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class InputError(OcrfarmError):
    """The image cannot be read."""

    exit_code = 3


class UnidentifiedImage(InputError):
    """The file is empty or in no format that ocrfarm reads."""


class DamagedImage(InputError):
    """The file begins like an image but its pixels cannot be decoded."""


class TooLarge(InputError):
    """The header claims more pixels, bytes or pages than the limits allow."""


class EncryptedFile(InputError):
    """The file asks for a password."""


class NoImagesFound(InputError):
    """A folder or a list holds no image at all."""


class InvalidResult(InputError):
    """The file is missing or holds no result of ocrfarm."""


class ImageNotFound(InputError):
    """There is no such image, or it is not the one that a result was read from."""


class SettingsError(OcrfarmError):
    """A setting, a profile or a model name makes no sense."""

    exit_code = 4


class UnknownProfile(SettingsError):
    """No profile has this name and no profile file lies at this path."""


class UnknownModel(SettingsError):
    """No model in the table has this name."""


class UnknownFormat(SettingsError):
    """No format has this name."""


class MissingPackage(SettingsError):
    """What was asked for needs a package that is not installed."""


class WeightsError(OcrfarmError):
    """Weights are missing, cannot be fetched, or have the wrong hash."""

    exit_code = 5


class EngineError(OcrfarmError):
    """The engine cannot do what was asked: no such device, provider or package."""

    exit_code = 6


class EngineFailed(EngineError):
    """The engine failed on one tile; another try may do."""

    retryable = True


class StoreError(OcrfarmError):
    """The store cannot be used."""

    exit_code = 7


class ObjectNotFound(StoreError):
    """The store holds no object of this name."""


class StoreDenied(StoreError):
    """The store refuses these credentials or this action."""


class StoreFull(StoreError):
    """There is no room left for the object."""


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
    """The broker has no memory left for what it was told."""

    retryable = True


class FarmError(OcrfarmError):
    """The embedded farm cannot start or a part of it died."""

    exit_code = 9


class JobError(OcrfarmError):
    """The job did not end with a result."""

    exit_code = 10


class UnknownJob(JobError):
    """Neither the broker nor the store knows this job."""


class JobFailed(JobError):
    """The job ended without a result; the message holds the reason."""


class JobCancelled(JobError):
    """The job was cancelled."""


class WaitTimeout(OcrfarmError):
    """What was waited for did not come in time."""

    exit_code = 11


class PartialResult(OcrfarmError):
    """The result was written, but a part of the page was not read; its coverage says which and why."""

    exit_code = 12


class FarmBusy(OcrfarmError):
    """The farm takes no more work now; nothing was handed in, and `retry_after` seconds later there may be room."""

    exit_code = 13

    def __init__(self, message: str, retry_after: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TaskTimeLimit(BaseException):
    """A task's soft time limit has passed."""
