"""The splitter reads one queue: pictures in, tiles out."""

from ocrfarm.farm import wire

QUEUE = wire.SPLIT_QUEUE
