"""A farm without processes: a test calls its handlers one by one."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from celery import Celery

from ocrfarm.document import Document
from ocrfarm.errors import StoreUnreachable
from ocrfarm.farm import handlers
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.manifest import Manifest, Request
from ocrfarm.farm.second_pass import recognize_regions
from ocrfarm.farm.submit import Submitter, submit
from ocrfarm.public_http import NO_HOSTS
from ocrfarm.recognize import Profile, Tiling, find_profile
from ocrfarm.result import document_from_json
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.storage import layout, open_store
from tests.support.engines import CountingEngine
from tests.support.servers import ValkeyServer

T = TypeVar("T")
PROFILE = replace(find_profile("synthetic"), tiling=Tiling(256, 64, levels=False))


@dataclass
class InProcessFarm:
    """One process that plays all workers, and one submitted page."""

    services: WorkerContext
    engine: CountingEngine

    def submit(self, source: bytes, name: str = "page.png", *, profile: Profile = PROFILE) -> str:
        app = make_app(self.services.settings)
        return submit(self.make_submitter(app), Request(name, profile, time.time()), source=source)

    def make_submitter(self, app: Celery | None = None) -> Submitter:
        services = self.services
        return Submitter(
            app or make_app(services.settings),
            services.store,
            services.jobs,
            services.settings.admission,
            NO_HOSTS,
        )

    def status(self, job: str) -> JobStatus:
        return self.services.jobs.get_status(job)

    def stitch(self, job: str) -> Document:
        """Stitch, and read what is in doubt, until there is a document."""
        while batches := repeat(lambda: handlers.stitch(self.services, job)):
            for batch in batches:
                recognize_regions(self.services, job, batch=batch)
        return document_from_json(self.services.store.get(layout.result(job)))

    def manifest(self, job: str) -> Manifest:
        return Manifest.from_bytes(self.services.store.get(layout.manifest(job)))


def repeat(action: Callable[[], T]) -> T:
    """Give what an action gives, which is repeated while its error may pass, as a worker does."""
    while True:
        with suppress(StoreUnreachable):
            return action()


def make_in_process_farm(valkey_server: ValkeyServer) -> InProcessFarm:
    """Return a farm with keys of its own in the broker, and with a store in memory."""
    prefix = f"{uuid.uuid4().hex}:"
    settings = Settings(Endpoints(broker=valkey_server.url, store="memory:", key_prefix=prefix))
    engine = CountingEngine()
    broker = Broker(valkey_server.url)
    progress = JobStore(broker, prefix=prefix, ttl_seconds=60)
    return InProcessFarm(WorkerContext(settings, open_store("memory:"), progress, lambda _: engine), engine)
