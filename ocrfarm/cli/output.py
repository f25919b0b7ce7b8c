"""What `read` and `fetch` leave behind: options for the results, and a summary on the screen."""

from pathlib import Path

import click

from ocrfarm.cli.option_group import group_options
from ocrfarm.document import Document
from ocrfarm.export import Target
from ocrfarm.result.formats import DEFAULT_FORMATS, FORMATS, find_formats

_LOCAL_URL = "http://localhost:8000/"
"""Where `python -m http.server` shows a folder."""


def _make_target(*, out: Path, formats: str, base_url: str) -> Target:
    return Target(out, find_formats(formats), f"{base_url.rstrip('/')}/")


results_options = group_options(
    "target",
    _make_target,
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results."),
    click.option(
        "--formats", default=DEFAULT_FORMATS, show_default=True, help=f"Any of {', '.join(FORMATS)}; commas between."
    ),
    click.option("--base-url", default=_LOCAL_URL, show_default=True, help="Where OUT will be found; for iiif."),
)
"""Gives a command --out, --formats and --base-url, and hands it its argument `target`."""


def describe_written_files(target: Target, stem: str) -> str:
    """Say which files were written: the first by its path, the others by what their names end in."""
    first, *others = (form.file_name(stem) for form in target.formats)
    return ", ".join([str(target.folder / first), *(name.removeprefix(stem) for name in others)])


def flower_tasks_url(flower: str, job: str) -> str:
    """Give the page of Flower that lists a job's messages; of a link it takes a search by name, and what follows it."""
    return f"{flower.rstrip('/')}/tasks?name=ocrfarm%20args%3A{job}"


def format_summary(document: Document) -> str:
    """Say in a few words what became of the image."""
    coverages = [page.coverage for page in document.pages]
    blank, read, failed = (sum(getattr(each, name) for each in coverages) for name in ("blank", "read", "failed"))
    total_area = sum(page.size.area for page in document.pages)
    covered = sum(page.coverage.fraction_read * page.size.area for page in document.pages) / total_area
    excluded = sum(box.area for each in coverages for box in each.excluded) / total_area
    purpose = f", {excluded:.2%} left out on purpose" if excluded else ""
    partial = "" if document.is_complete else " - PARTIAL, see coverage.gaps in the JSON"
    wall = document.timing.get("wall", 0.0)
    peak = max((value for name, value in document.timing.items() if name.endswith("_mb")), default=0.0)
    return "\n".join(
        [
            f"  tiles     {blank + read + failed} ({blank} blank, {read} read, {failed} failed)",
            f"  lines     {len(document.lines)}",
            f"  coverage  {covered:.2%}{purpose}{partial}",
            f"  time      {wall:.1f} s, {total_area / 1e6 / max(wall, 1e-9):.1f} MP/s",
            f"  memory    {peak:.0f} MB in the largest process",
        ]
    )
