"""PaddleEngine: PaddleOCR behind the Engine protocol; the only module that imports PaddleOCR.

Detection by differentiable binarization (Liao et al., "Real-time Scene Text Detection with DB", AAAI 2020), recognition
by CTC (see `ctc`):

    pixels -> scale to multiples of 32 -> probability map -> contours -> boxes -> merge vertical boxes -> accept?
           -> crop each box -> chunks of long lines -> batches of equal width -> CTC -> characters -> fragments

The module calls the inner steps of PaddleOCR's detection and recognition modules (PaddleX 3.7.2, pinned) instead of its
pipeline, which drops the detection scores, misplaces word boxes, overrides the models' own thresholds and pads lines to
the width of their neighbours in the batch.

Invariant: the characters of a line do not depend on the other lines in its batch, because crops are padded to multiples
of `WIDTH_BUCKET`. Cost: detection grows with the pixels of the tile, recognition with the total width of its lines;
memory is bounded by one batch.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from paddleocr import TextDetection, TextRecognition
from paddlex.inference.utils.official_models import official_models

from ocrfarm.errors import WeightsError
from ocrfarm.geometry import Quad
from ocrfarm.recognize import ctc
from ocrfarm.recognize.crops import extract_crop, mean_confidence, order_corners, read_lines
from ocrfarm.recognize.engine import EngineOutput, LineFilter, RgbPixels, accept_all
from ocrfarm.recognize.ink_gaps import find_ink_columns
from ocrfarm.recognize.long_lines import merge_chunks, split_into_chunks
from ocrfarm.recognize.model_registry import Model
from ocrfarm.recognize.profiles import Profile, Runtime
from ocrfarm.recognize.runtime import check_providers, engine_options
from ocrfarm.recognize.vertical_merge import ScoredBox, merge_vertical_boxes
from ocrfarm.tile import DETECTOR_STRIDE, Char, Fragment

LINE_HEIGHT = 48
"""Pixels: height of the recognizers' input."""

WIDTH_BUCKET = 64
"""Pixels: crops are padded to the next multiple and not to their neighbours' width, so that the text of a line does not
depend on the other lines in its batch."""

MIN_INPUT_WIDTH = 320
"""Pixels: width of the narrowest input; PaddleOCR trains and runs the recognizers with at least this."""

DETECTOR_MARGIN = 64
"""Detector pixels of empty border around the probability map, so that the corners of boxes at the tile's sides are not
clamped, which would skew rotated boxes."""


class PaddleEngine:
    """A detector and a recognizer of PaddleOCR; see `Engine`."""

    def __init__(self, profile: Profile, *, detector: Path, recognizer: Path) -> None:
        self.model = profile.recognizer
        self._detector = _Detector(profile, detector)
        self._recognizer = _Recognizer(profile, recognizer)

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        """Detect the lines on an image and recognize the accepted ones; see `Engine.read`.

        Args:
            pixels: Height x width x 3, RGB, uint8.
            accept: Returns whether a detected line is to be recognized.
        """
        bgr = np.ascontiguousarray(pixels[:, :, ::-1])  # PaddleOCR's models were trained on BGR
        boxes, has_overflow = self._detector.detect(bgr)
        regions = [region for region in merge_vertical_boxes(boxes) if accept(region[0])]
        lines = read_lines(bgr, [box for box, _ in regions], read=self._recognizer.read)
        fragments = tuple(
            Fragment(quad, chars, mean_confidence(chars), score)
            for (quad, chars), (_, score) in zip(lines, regions, strict=True)
            if chars
        )
        overlong_lines = sum(self._recognizer.exceeds_max_width(quad) for quad, _ in lines)
        columns, padding = self._recognizer.pop_usage()
        return EngineOutput(fragments, overlong_lines, has_overflow, columns, padding)

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        """Recognize lines whose places are known; see `Engine.read_lines`.

        Args:
            pixels: Height x width x 3, RGB, uint8.
            lines: Quads of the lines, in pixels of the array.
        """
        bgr = np.ascontiguousarray(pixels[:, :, ::-1])
        texts = self._recognizer.read([extract_crop(bgr, line) for line in lines])
        return [Fragment(line, chars, mean_confidence(chars)) for line, chars in zip(lines, texts, strict=True)]


class _Detector:
    """Pixels -> boxes of lines, with PaddleX's own normalisation and DB post-processing at the model's thresholds."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self._scale = profile.detector_scale
        self._model = _load_predictor(TextDetection, profile.detector, folder, profile.runtime)

    def detect(self, bgr: NDArray[np.uint8]) -> tuple[list[ScoredBox], bool]:
        """Return quads in pixels of the array with their scores, and whether the contour limit was reached."""
        probabilities = self._predict_probabilities(bgr)
        post = self._model.post_op
        bitmap = probabilities > post.thresh
        contours, _ = cv2.findContours(bitmap.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        height, width = probabilities.shape
        corners, scores = post.boxes_from_bitmap(
            probabilities, bitmap, width / self._scale, height / self._scale, post.box_thresh, post.unclip_ratio
        )
        shift = -DETECTOR_MARGIN / self._scale
        regions = [
            (order_corners(box).transform(shift, shift), float(score))
            for box, score in zip(corners, scores, strict=True)
        ]
        return regions, len(contours) >= post.max_candidates

    def _predict_probabilities(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on the scaled image; the map has `DETECTOR_MARGIN` empty pixels on each side."""
        steps = self._model.pre_tfs
        batch = steps["ToBatch"](imgs=steps["ToCHW"](imgs=steps["Normalize"](imgs=[self._scale_to_stride(bgr)])))
        probabilities = np.asarray(self._model.runner(x=batch)[0][0, 0], np.float32)
        return np.pad(probabilities, DETECTOR_MARGIN)

    def _scale_to_stride(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale the image so that its sides are multiples of the stride; it is padded for this and never stretched."""
        height, width = bgr.shape[:2]
        cells = [max(math.ceil(side * self._scale / DETECTOR_STRIDE), 1) * DETECTOR_STRIDE for side in (width, height)]
        padded = [round(side / self._scale) for side in cells]
        if padded != [width, height]:
            right, below = max(padded[0] - width, 0), max(padded[1] - height, 0)
            bgr = np.pad(bgr, ((0, below), (0, right), (0, 0)), mode="edge")
        if padded == cells:
            return bgr
        return np.asarray(cv2.resize(bgr, cells, interpolation=cv2.INTER_AREA if self._scale < 1 else cv2.INTER_LINEAR))


class _Recognizer:
    """Crops of single lines -> characters."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self._batch_size, self._max_width = profile.runtime.batch, profile.max_width
        self._model = _load_predictor(TextRecognition, profile.recognizer, folder, profile.runtime)
        classes: list[str] = self._model.post_op.character
        self._alphabet = ctc.Alphabet(classes, classes.index(" "))
        self._columns = self._padding = 0

    def pop_usage(self) -> tuple[int, int]:
        """Return the number of input columns since the last call, and how many of them were padding."""
        usage, self._columns, self._padding = (self._columns, self._padding), 0, 0
        return usage

    def exceeds_max_width(self, quad: Quad) -> bool:
        """Return whether even the chunks of a line are too long for the widest input and must be compressed."""
        start, end = split_into_chunks(math.ceil(quad.length), math.ceil(quad.height))[0]
        return (end - start) / max(quad.height, 1) * LINE_HEIGHT > self._max_width

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Char, ...]]:
        """Recognize crops (height x width x 3, BGR), long ones in chunks."""
        spans = [split_into_chunks(crop.shape[1], crop.shape[0]) for crop in crops]
        chunks = [crop[:, start:end] for crop, of_crop in zip(crops, spans, strict=True) for start, end in of_crop]
        texts = iter(self._read_batched(chunks))
        return [
            merge_chunks(of_crop, [next(texts) for _ in of_crop], height=crop.shape[0])
            for crop, of_crop in zip(crops, spans, strict=True)
        ]

    def _read_batched(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Char, ...]]:
        """Recognize crops in batches of similar width."""
        widths = [min(math.ceil(LINE_HEIGHT * crop.shape[1] / crop.shape[0]), self._max_width) for crop in crops]
        order = sorted(range(len(crops)), key=lambda index: (widths[index], index))
        texts: list[tuple[Char, ...]] = [()] * len(crops)
        for batch in self._group_by_width(order, widths):
            images = [_resize_crop(crops[index], widths[index]) for index in batch]
            for index, chars in zip(batch, self._infer(images), strict=True):
                texts[index] = chars
        return texts

    def _group_by_width(self, order: list[int], widths: list[int]) -> list[list[int]]:
        """Group crops into batches; none has more columns than a full batch of the narrowest, to bound the memory."""
        batches: list[list[int]] = []
        for index in order:
            last, bucket = batches[-1] if batches else [], _bucket_width(widths[index])
            room = (len(last) + 1) * bucket <= self._batch_size * MIN_INPUT_WIDTH
            if last and room and _bucket_width(widths[last[0]]) == bucket:
                last.append(index)
            else:
                batches.append([index])
        return batches

    def _infer(self, images: list[NDArray[np.uint8]]) -> list[tuple[Char, ...]]:
        bucket = _bucket_width(images[0].shape[1])
        self._columns += bucket * len(images)
        self._padding += sum(bucket - image.shape[1] for image in images)
        batch = np.zeros((len(images), 3, LINE_HEIGHT, bucket), np.float32)
        for row, image in zip(batch, images, strict=True):
            row[:, :, : image.shape[1]] = image.transpose(2, 0, 1) / np.float32(127.5) - 1
        probabilities = self._model.runner(x=[batch])[0]
        step = bucket / probabilities.shape[1]  # pixels
        return [
            ctc.decode(line, self._alphabet, ink=find_ink_columns(image), step=step, height=LINE_HEIGHT)
            for line, image in zip(probabilities, images, strict=True)
        ]


def _bucket_width(width: int) -> int:
    return max(math.ceil(width / WIDTH_BUCKET) * WIDTH_BUCKET, MIN_INPUT_WIDTH)


def _resize_crop(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, LINE_HEIGHT)), np.uint8)


def _load_predictor(kind: type[Any], name: str, folder: Path, runtime: Runtime) -> Any:  # noqa: ANN401 - PaddleX is untyped
    """Load one module and return PaddleX's predictor inside it, after checking which provider really runs it."""
    options = engine_options(runtime)
    predictor = kind(
        model_name=name, model_dir=str(folder), device=runtime.device, engine=runtime.engine, engine_config=options
    ).paddlex_predictor
    if runtime.engine == "onnxruntime":
        check_providers(predictor.runner.session, options)
    return predictor


def download(model: Model) -> Path:
    """Download a model by its official name with PaddleOCR's own downloader and return its folder.

    Raises:
        WeightsError: The model cannot be downloaded.
    """
    try:
        return Path(official_models.get_model_path(model.name, model_formats=[model.format]))
    except Exception as error:
        raise WeightsError(
            f"{model.name}: PaddleOCR cannot fetch it ({error}); put its weights in a folder and set OCRFARM_MODELS_DIR"
        ) from error
