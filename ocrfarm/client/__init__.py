"""Client and AsyncClient: hand pictures to a farm, follow them, fetch what was read; import no engine."""

from ocrfarm.client.asynchronous import AsyncClient, AsyncJob
from ocrfarm.client.client import Client
from ocrfarm.client.job import Job
from ocrfarm.client.many import Outcome
from ocrfarm.client.sources import Source, Ticket, checked_file

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "Outcome", "Source", "Ticket", "checked_file"]
