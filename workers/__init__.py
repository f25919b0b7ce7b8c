"""Entry points of the farm's processes: python -m workers split|recognize|stitch."""
