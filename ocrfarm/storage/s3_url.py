"""s3:// URL <-> `S3Address`: bucket, prefix, endpoint and region."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from ocrfarm.errors import SettingsError, StoreError
from ocrfarm.storage.key_rules import check_key, check_prefix

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # S3's rule for names
_URL_FORMAT = "write s3://bucket/prefix?endpoint=http://host:port&region=name"


@dataclass(frozen=True, slots=True)
class S3Address:
    """The address of a bucket, or of a part of it.

    Attributes:
        bucket: Name of the bucket.
        prefix: Prefix of every key; empty, or with a slash at its end.
        endpoint: URL of the server; None: Amazon S3.
        region: Name of the region; None: from the AWS environment.

    Examples:
        >>> address = S3Address.parse("s3://ocr/team?endpoint=http://localhost:8333")
        >>> address.bucket, address.prefix, address.endpoint
        ('ocr', 'team/', 'http://localhost:8333')
        >>> address.url
        's3://ocr/team?endpoint=http://localhost:8333'
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    @classmethod
    def parse(cls, url: str) -> "S3Address":
        """Parse the URL of a bucket; `url` is the inverse.

        Raises:
            SettingsError: The URL is invalid or contains credentials.
        """
        parts = _split_url(url)
        if not _BUCKET.fullmatch(parts.netloc):
            raise SettingsError(f"{parts.netloc!r} is not the name of an S3 bucket: {_URL_FORMAT}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.fragment or not options.keys() <= {"endpoint", "region"}:
            raise SettingsError(
                f"the store URL of bucket {parts.netloc} may only set endpoint and region: {_URL_FORMAT}"
            )
        return cls(
            parts.netloc,
            _parse_prefix(parts.path),
            _parse_endpoint(options.get("endpoint")),
            options.get("region") or None,
        )

    @property
    def url(self) -> str:
        """The URL that `parse` reads."""
        options = {name: value for name in ("endpoint", "region") if (value := getattr(self, name))}
        query = f"?{urlencode(options, safe=':/')}" if options else ""
        path = quote(f"/{self.prefix}".rstrip("/"))
        return f"s3://{self.bucket}{path}{query}"

    def object_args(self, key: str) -> dict[str, str]:
        """Return the arguments that name an object in a request.

        >>> S3Address("ocr", "team/").object_args("jobs/a1/source")
        {'Bucket': 'ocr', 'Key': 'team/jobs/a1/source'}
        """
        return {"Bucket": self.bucket, "Key": self.prefix + check_key(key)}

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix} at {self.endpoint or 'Amazon'}"


def _parse_prefix(path: str) -> str:
    if not (prefix := unquote(path).strip("/")):
        return ""
    try:
        return check_prefix(f"{prefix}/")
    except StoreError as error:
        raise SettingsError(f"the store URL's prefix cannot be used: {error}") from error


def _parse_endpoint(url: str | None) -> str | None:
    if not url:
        return None
    parts = _split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{url!r} is not the endpoint of an S3 store: write endpoint=http://host:port")
    return url.rstrip("/")


def _split_url(url: str) -> SplitResult:
    # No message quotes the URL until it is known to contain no secret.
    try:
        parts = urlsplit(url)
        secret = "@" in parts.netloc
        _ = secret or parts.port  # raises ValueError if the port is not a number
    except ValueError:
        raise SettingsError(f"the store URL cannot be parsed: {_URL_FORMAT}") from None
    if secret:
        raise SettingsError(
            "the store URL contains a user or a key: remove it, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return parts
