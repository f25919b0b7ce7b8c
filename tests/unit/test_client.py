"""What a client does and says without a farm: sources, messages, and what a notebook shows of a job."""

from pathlib import Path

import pytest

from ocrfarm import Client
from ocrfarm.cli.journal import Journal
from ocrfarm.cli.options import ReadOptions
from ocrfarm.cli.submit import BulkSubmitter
from ocrfarm.client import ImageInput, Job, JobMetadata, SubmitOptions
from ocrfarm.client.sources import open_content
from ocrfarm.errors import ImageNotFound, SettingsError, UnidentifiedImage
from ocrfarm.recognize import find_profile
from ocrfarm.selection import SELECT_ALL
from ocrfarm.settings import Settings
from ocrfarm.storage.memory import MemoryStore

JOB = "01JD9YQ1Z7K3V5N8T2W4X6B0CA"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """What every s3:// URL leads to."""
    store = MemoryStore()
    monkeypatch.setattr("ocrfarm.client.sources.open_store", lambda url: store)
    return store


def test_an_empty_object_is_named_by_its_url(bucket: MemoryStore) -> None:
    bucket.put("scans/a.png", b"")
    with (
        pytest.raises(UnidentifiedImage, match=r"^s3://bucket/scans/a\.png: is empty$"),
        open_content("s3://bucket/scans/a.png", Settings()),
    ):
        pass


def test_a_url_is_downloaded_and_keeps_its_name(bucket: MemoryStore) -> None:
    bucket.put("scans/a.png", b"an image")
    with open_content("s3://bucket/scans/a.png?versionId=3".partition("?")[0], Settings()) as content:
        assert content.name == "s3://bucket/scans/a.png"
        assert isinstance(content.data, Path)
        assert content.data.read_bytes() == b"an image"


def test_a_missing_file_is_no_damaged_image() -> None:
    with pytest.raises(ImageNotFound, match="there is no such file"):
        Client("redis://localhost", "/nowhere").submit("gone.png")


def test_a_job_shows_its_id_alone() -> None:
    assert repr(Client("redis://localhost", "/nowhere").job(JOB)) == f"Job(id='{JOB}')"


def test_a_client_needs_a_farm() -> None:
    with pytest.raises(SettingsError, match="OCRFARM_BROKER and OCRFARM_STORE"):
        Client(settings=Settings())


def test_a_source_that_cannot_be_submitted_is_recorded_as_failed(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")

    def refuse(source: ImageInput, **options: SubmitOptions) -> Job:
        raise UnidentifiedImage(f"{source!s}: is empty")

    options = ReadOptions(find_profile("fast"), "fast", SELECT_ALL)
    with Journal(tmp_path / "submitted.csv") as journal:
        submitter = BulkSubmitter(refuse, options, metadata=JobMetadata(), journal=journal, format_row="{0}{1}".format)
        assert submitter.run(iter(["s3://bucket/a.png"])) == UnidentifiedImage.exit_code
    with Journal(tmp_path / "submitted.csv") as journal:
        (row,) = journal.entries
    assert (row.state, row.reason) == ("failed", "UnidentifiedImage: s3://bucket/a.png: is empty")
    assert len(row.job) == len(JOB)
