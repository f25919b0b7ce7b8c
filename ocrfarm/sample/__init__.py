"""(size, seed, font) -> a sample page with its exact text: a drawing sheet of a pumping station."""

from ocrfarm.sample.sheet import draw_sample, write_sample

__all__ = ["draw_sample", "write_sample"]
