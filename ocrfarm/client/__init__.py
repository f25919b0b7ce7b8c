"""Client and AsyncClient: submit images to a farm, follow their jobs and fetch results. No engine is imported."""

from ocrfarm.client.asynchronous import AsyncClient, AsyncJob
from ocrfarm.client.batch import JobOutcome, SubmitOptions
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job
from ocrfarm.client.sources import ImageInput, JobMetadata, check_file

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ImageInput",
    "Job",
    "JobMetadata",
    "JobOutcome",
    "SubmitOptions",
    "check_file",
]
