"""Client and AsyncClient: hand images to a farm, follow them, fetch what was read; import no engine."""

from ocrfarm.client.asynchronous import AsyncClient, AsyncJob
from ocrfarm.client.batch import JobOutcome
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job
from ocrfarm.client.sources import ImageInput, JobMetadata, check_file

__all__ = ["AsyncClient", "AsyncJob", "Client", "ImageInput", "Job", "JobMetadata", "JobOutcome", "check_file"]
