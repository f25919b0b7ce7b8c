"""Entry points of the farm's processes: python -m workers split|recognize|stitch, the same as `ocrfarm worker`."""
