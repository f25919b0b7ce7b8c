"""Which URL opens which store, and which opens none."""

import pytest

from ocrfarm.errors import SettingsError
from ocrfarm.storage import open_store


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("memory:", "memory:"),
        ("/a b/c", "file:///a%20b/c"),
        ("file:///a%20b/c", "file:///a%20b/c"),
        ("file://localhost/a", "file:///a"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/some/prefix/", "s3://my.bucket-1/some/prefix"),
        ("s3://bucket/a%20b%3F?region=eu-west-1", "s3://bucket/a%20b%3F?region=eu-west-1"),
        (
            "s3://bucket/p?region=x&endpoint=http://127.0.0.1:8333/",
            "s3://bucket/p?endpoint=http://127.0.0.1:8333&region=x",
        ),
        ("s3://bucket?endpoint=https%3A%2F%2Fhost", "s3://bucket?endpoint=https://host"),
        ("s3://bucket?endpoint=&region=", "s3://bucket"),
    ],
)
def test_urls_open_stores(url: str, same: str) -> None:
    assert open_store(url).url == same
    assert open_store(same).url == same


@pytest.mark.parametrize(
    "url",
    [
        "",
        "folder",
        "./folder",
        "memory",
        "memory:x",
        "http://host/bucket",
        "redis://host",
        "file://elsewhere/folder",
        "file:///folder?x=1",
        "file:///folder#x",
        "s3://",
        "s3:///key",
        "s3://Bucket",
        "s3://b",
        "s3://bucket:80",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket?endpont=http://host",
        "s3://bucket#x",
        "s3://bucket?endpoint=host:8333",
        "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpoint=http://",
        "s3://bucket?endpoint=http://host:port",
        "s3://[bucket",
        "file://[folder",
        "s3://bucket/\x00",
    ],
)
def test_urls_that_make_no_sense_are_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://me:hunter2@bucket", "s3://bucket?endpoint=http://me:hunter2@host"])
def test_a_secret_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
