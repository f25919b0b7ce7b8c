"""The API's own metrics, for Prometheus: requests and their latency by route, and connections.

They are counted in this process and served on a port of their own, since they are not for the clients of the API.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ocrfarm.errors import FarmError
from ocrfarm.server.connections import ConnectionTable

_METHODS = ("GET", "HEAD", "POST", "DELETE")
"""Every other method has the label `other`, so that no client can make up labels."""

_LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds. Health checks take milliseconds, and uploads take as long as the client's network needs."""


class ApiMetrics:
    """Counters of one server.

    >>> metrics = ApiMetrics()
    >>> metrics.count("GET", "/healthz", status=200, seconds=0.01)
    >>> labels = {"method": "GET", "route": "/healthz", "status": "200"}
    >>> metrics.registry.get_sample_value("ocrfarm_api_requests_total", labels)
    1.0

    Attributes:
        registry: What `/metrics` shows.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ocrfarm_api_requests", "requests by status", ("method", "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "ocrfarm_api_request_duration_seconds",
            "seconds from the head of a request to the head of its response",
            ("method", "route"),
            registry=self.registry,
            buckets=_LATENCY_BOUNDS,
        )

    def count(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: The method.
            route: The route, with the names of its parameters.
            status: The status of the response.
            seconds: Seconds until the response began.
        """
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(seconds)

    def add_connections(self, table: ConnectionTable) -> None:
        """Show the open connections of a server as well."""
        self.registry.register(_ConnectionCollector(table))

    def serve(self, address: str, port: int) -> None:
        """Serve `/metrics` in a thread until the process ends.

        Args:
            address: The address to listen at.
            port: The TCP port.

        Raises:
            FarmError: The address and port cannot be listened at.
        """
        try:
            start_http_server(port, address, registry=self.registry)
        except OSError as error:
            advice = "choose another OCRFARM_API_METRICS_PORT"
            raise FarmError(f"cannot listen at {address}:{port} ({error.strerror}); {advice}") from error


class _ConnectionCollector(Collector):
    def __init__(self, table: ConnectionTable) -> None:
        self._table = table

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the table."""
        yield GaugeMetricFamily("ocrfarm_api_connections", "open connections", value=len(self._table))
        rejected = CounterMetricFamily(
            "ocrfarm_api_connections_rejected", "connections that were closed early", labels=["reason"]
        )
        for reason, count in self._table.rejected.items():
            rejected.add_metric([reason], count)
        yield rejected
