"""The loop that a skilled user writes round another OCR library: tiles of a sheet, one by one, nothing read twice.

python rivals.py NAME SIZE SHEET, with an interpreter that has the library; it imports nothing of ocrfarm. Each line on
standard input is one round; each round is one JSON object on standard output: seconds, CPU seconds, and lines.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

Line: TypeAlias = tuple[str, list[list[float]]]
Read: TypeAlias = Callable[[Any], list[Line]]
"""Reads one tile, height x width x 3, BGR; places are pixels of the tile."""

SIDE, OVERLAP = 2048, 192
"""Pixels."""


def paddleocr(size: str) -> Read:
    """Give PaddleOCR's own pipeline on ONNX Runtime's CPU provider, with all cores."""
    os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"
    import paddleocr as library

    weights = Path.home() / ".cache/ocrfarm/models"
    detector, recognizer = f"PP-OCRv6_{size}_det", f"PP-OCRv6_{size}_rec"
    engine = library.PaddleOCR(
        text_detection_model_name=detector,
        text_detection_model_dir=str(weights / detector),
        text_recognition_model_name=recognizer,
        text_recognition_model_dir=str(weights / recognizer),
        use_doc_orientation_classify=False,
        use_doc_unwarping=False,
        use_textline_orientation=False,
        text_det_limit_side_len=SIDE,
        text_det_limit_type="max",
        device="cpu",
        engine="onnxruntime",
        engine_config={"providers": ["CPUExecutionProvider"], "intra_op_num_threads": 0},
    )

    def read(tile: Any) -> list[Line]:
        (found,) = engine.predict(tile)
        return [(text, box.tolist()) for text, box in zip(found["rec_texts"], found["rec_polys"], strict=True)]

    return read


def rapidocr(size: str) -> Read:
    """Give RapidOCR on OpenVINO; its wheel has the small models only."""
    import rapidocr as library

    if size != "small":
        raise SystemExit("RapidOCR's wheel has no tiny models")
    openvino = library.EngineType.OPENVINO
    engine = library.RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.max_side_len": 2 * SIDE,
            "Global.log_level": "error",
            "Det.engine_type": openvino,
            "Rec.engine_type": openvino,
            "Det.limit_side_len": SIDE,
            "Det.limit_type": "max",
        }
    )

    def read(tile: Any) -> list[Line]:
        found = engine(tile)
        texts = found.txts or ()
        return [(text, box.tolist()) for text, box in zip(texts, found.boxes, strict=True)] if texts else []

    return read


def fasterpaddle(size: str) -> Read:
    """Give faster-paddle, which takes files and not arrays; lossless and nearly unpacked ones cost it the least."""
    import cv2
    from faster_paddle import OcrEngine

    engine = OcrEngine(model_size=size, det_max_side=SIDE)

    def read(tile: Any) -> list[Line]:
        found = engine.ocr(cv2.imencode(".bmp", tile)[1].tobytes())["bounds"].values()
        return [(each["text"], _corners(each)) for each in found]

    return read


def _corners(bound: dict[str, Any]) -> list[list[float]]:
    (x0, y0), (x1, y1) = (_point(bound[name]) for name in ("topLeftCoord", "bottomRightCoord"))
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def _point(value: Any) -> tuple[float, float]:
    return (float(value["x"]), float(value["y"])) if isinstance(value, dict) else (float(value[0]), float(value[1]))


RIVALS = {"PaddleOCR": paddleocr, "RapidOCR": rapidocr, "faster-paddle": fasterpaddle}


def read_sheet(read: Read, path: str) -> list[Line]:
    """Decode the sheet, read its tiles, and keep of each the lines whose middle is nearer to it than to a neighbour."""
    import cv2

    sheet = cv2.imread(path)
    height, width = sheet.shape[:2]
    lines = []
    for y, top, bottom in _spans(height):
        for x, left, right in _spans(width):
            for text, corners in read(sheet[y : y + SIDE, x : x + SIDE].copy()):
                moved = [[cx + x, cy + y] for cx, cy in corners]
                cx, cy = (sum(corner[axis] for corner in moved) / 4 for axis in (0, 1))
                if left <= cx < right and top <= cy < bottom:
                    lines.append((text, moved))
    return lines


def _spans(extent: int) -> Iterator[tuple[int, float, float]]:
    """Give where each tile begins, and from where to where it is the nearest."""
    starts = [*range(0, max(extent - SIDE, 1), SIDE - OVERLAP)]
    starts = [*(at for at in starts if at + SIDE < extent), max(extent - SIDE, 0)]
    edges = [0.0, *((before + SIDE + after) / 2 for before, after in itertools.pairwise(starts)), extent + 1]
    yield from zip(starts, edges, edges[1:], strict=False)


def main(name: str, size: str, sheet: str) -> None:
    """Load, warm up on one tile, then read the sheet whenever a line comes in."""
    import cv2

    read = RIVALS[name](size)
    read(cv2.imread(sheet)[:SIDE, :SIDE].copy())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        since, used = time.perf_counter(), time.process_time()
        lines = read_sheet(read, sheet)
        figures = {"seconds": time.perf_counter() - since, "cpu": time.process_time() - used, "lines": lines}
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
