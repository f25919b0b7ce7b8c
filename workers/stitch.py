"""The stitcher reads one queue: fragments in, documents out."""

from ocrfarm.farm import wire

QUEUE = wire.STITCH_QUEUE
