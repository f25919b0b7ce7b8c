"""The image of the farm's processes, and `python -m workers ROLE`, which is the same as `ocrfarm worker ROLE`."""
