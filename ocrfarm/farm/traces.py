"""A job as one trace: from the client through its batches to the stitcher, sent to an OpenTelemetry collector."""

import importlib
from typing import Any

from celery.signals import worker_process_shutdown

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Settings


def start(settings: Settings, service: str) -> None:
    """Let this process tell what it sends and what it works on; nothing where no collector is set.

    To be called after a fork: the thread that sends does not survive one. `SettingsError` without the packages.
    """
    collector = settings.places.traces
    if not collector:
        return
    try:
        celery, export, sdk, resources, otlp = map(importlib.import_module, _MODULES)
    except ImportError as error:
        raise SettingsError(f"OCRFARM_TRACES is set, but {error}: install ocrfarm[traces]") from error
    name = resources.Resource.create({"service.name": f"ocrfarm-{service}"})
    provider = sdk.TracerProvider(resource=name)  # at its end the process sends what is left
    exporter = otlp.OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    celery.CeleryInstrumentor().instrument(tracer_provider=provider)

    def leave(**_: Any) -> None:  # noqa: ANN401 - whatever the signal gives
        provider.shutdown()

    worker_process_shutdown.connect(leave, weak=False)  # a child of Celery ends without Python's own last steps


_MODULES = (
    "opentelemetry.instrumentation.celery",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk.resources",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)
