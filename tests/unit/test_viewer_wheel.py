"""What a wheel brings of the viewer."""

import subprocess
import zipfile
from pathlib import Path

from tests.support.servers import require
from tests.support.source_tree import ROOT

UV = ROOT / ".cache" / "uv" / "bin" / "uv"


def test_a_wheel_brings_the_viewer_and_the_library_with_its_licence(tmp_path: Path) -> None:
    require(UV.is_file(), "uv is missing: type scripts/install")
    command = [str(UV), "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {name.removeprefix("ocrfarm/viewer/") for name in file.namelist() if "/viewer/" in name}
    brought = {name.rpartition("/")[2] for name in names if name.startswith("node_modules/")}
    assert brought == {"LICENSE.txt", "openseadragon.min.js"}
    assert names >= {"static/index.html", "static/js/main.js", "static/jobs.html"}
