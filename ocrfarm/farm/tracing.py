"""A job as one trace: from the client through its batches to the stitcher, sent to an OpenTelemetry collector."""

from typing import Any

from celery.signals import worker_process_shutdown

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Settings


def setup_tracing(settings: Settings, service: str) -> None:
    """Let this process tell what it sends and what it works on; nothing where no collector is set.

    To be called after a fork: the thread that sends does not survive one. `SettingsError` without the packages.
    """
    collector = settings.endpoints.otlp_endpoint
    if not collector:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(f"OCRFARM_OTLP_ENDPOINT is set, but {error}: install ocrfarm[traces]") from error
    resource = Resource.create({"service.name": f"ocrfarm-{service}"})
    provider = TracerProvider(resource=resource)  # at its end the process sends what is left
    exporter = OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]

    def leave(**_: Any) -> None:  # noqa: ANN401 - whatever the signal gives
        provider.shutdown()

    worker_process_shutdown.connect(leave, weak=False)  # a child of Celery ends without Python's own last steps
