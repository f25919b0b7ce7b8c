"""Prometheus' text format, read back."""

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Name and labels -> value."""


def parse_samples(text: str) -> Samples:
    """Read what an exporter says."""
    families = text_string_to_metric_families(text)
    found = (sample for family in families for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def sample_value(samples: Samples, metric: str, /, **labels: str) -> float:
    """Give the value of one of ocrfarm's metrics."""
    return samples[f"ocrfarm_{metric}", frozenset(labels.items())]
