"""What a client submits: the parameters of a job, from the query and the form, and its image."""

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocrfarm.client import JobMetadata
from ocrfarm.client.sources import download_source
from ocrfarm.errors import (
    ImageNotFound,
    InputError,
    ObjectNotFound,
    SettingsError,
    StoreDenied,
    TooLarge,
    UnidentifiedImage,
    UnknownJob,
    UnknownProfile,
)
from ocrfarm.farm.protocol import validate_job_id
from ocrfarm.mask_file import read_mask
from ocrfarm.recognize.profiles import PROFILES, PUBLIC_PROFILES, Profile
from ocrfarm.selection import Selection, parse_page_ranges, parse_region
from ocrfarm.server.dependencies import ServerState, check_parameter
from ocrfarm.server.uploads import FILE_FIELDS, Upload
from ocrfarm.server.webhooks import parse_secret
from ocrfarm.settings import Settings

_MAX_MASK_PIXELS = 50_000_000
"""Pixels of a mask's image: it is held in memory, with up to 4 bytes a pixel."""

_MAX_REGIONS = 1_000

_S3, _HTTPS = "s3://", "https://"


class SubmitParams(BaseModel):
    """How an image is to be read. Each parameter may be in the query or in the form."""

    model_config = ConfigDict(extra="forbid")

    profile: str = Field("fast", description=f"The profile: {', '.join(PUBLIC_PROFILES)}.", examples=["accurate"])
    profile_toml: str = Field(
        "", max_length=10_000, description="A profile of your own as TOML, without the table `runtime`."
    )
    tile_size: int = Field(0, ge=0, description="Side of the tiles in pixels, a multiple of 32; 0: from the profile.")
    overlap: int = Field(0, ge=0, description="Overlap of the tiles in pixels, a multiple of 32; 0: from the profile.")
    pages: str = Field("", max_length=1_000, description="Pages to read; by default all.", examples=["1-3,7,9-"])
    dpi: int = Field(0, ge=0, le=2_400, description="Resolution at which PDF pages are rendered; 0: chosen by page.")
    region: list[str] = Field(
        [],
        max_length=_MAX_REGIONS,
        description="Read only this part of each page: x0,y0,x1,y1 in pixels; may be repeated.",
        examples=[["0,0,2000,1000"]],
    )
    priority: int | None = Field(None, description="0 (first), 5 or 9; by default it depends on the image's size.")
    name: str = Field("", max_length=255, description="A name for the image.", examples=["drawing.tif"])
    webhook: str = Field("", max_length=2_000, description="A URL that is notified when the job ends.")
    source: str = Field(
        "", max_length=2_000, description="The s3:// or https:// URL of the image, instead of a body, if it is allowed."
    )
    id: str = Field("", max_length=40, description="The job's id, a new ULID, so that a request can be repeated.")


class Submission(NamedTuple):
    """An image and the options of `Client.submit`."""

    image: Path
    options: dict[str, Any]


def merge_form(params: SubmitParams, fields: Mapping[str, list[str]]) -> SubmitParams:
    """Return the parameters of the query and the form.

    Args:
        params: The parameters of the query.
        fields: The fields of the form.

    Raises:
        SettingsError: A field is unknown, invalid, repeated, or in the query as well.

    >>> merge_form(SubmitParams(profile="accurate"), {"pages": ["1-3"], "region": ["0,0,9,9"]}).pages
    '1-3'
    >>> merge_form(SubmitParams(), {"dpy": ["300"]})
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: there is no parameter 'dpy'; the parameters are profile, profile_toml, ...
    """
    known = SubmitParams.model_fields
    for name, values in fields.items():
        check_parameter(name, len(values), known={each: each == "region" for each in known})
        if name in params.model_fields_set:
            raise SettingsError(f"the parameter {name} is in the query and in the form; send it once")
    texts = {name: values if name == "region" else values[0] for name, values in fields.items()}
    try:
        return SubmitParams.model_validate(params.model_dump(exclude_unset=True) | texts)
    except ValidationError as error:
        raise SettingsError("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error


async def prepare_submission(state: ServerState, owner: str, *, params: SubmitParams, upload: Upload) -> Submission:
    """Return what is to be submitted, after everything that can be known at once was checked.

    Args:
        state: The server's state.
        owner: The owner of the request's key.
        params: The parameters.
        upload: The request's body; if the image is at a URL, the image is downloaded to the same folder.

    Raises:
        InputError: There is no image, or its format is unknown.
        SettingsError: A parameter is invalid, or the URL is not allowed.
        HTTPException: 409, since the id is another job's.
    """
    settings, image = state.settings, upload.find_file(FILE_FIELDS[0])
    name = params.name or upload.filename or params.source.partition("?")[0] or "upload"
    if not name.isprintable():
        raise SettingsError("a name may hold printable characters only")
    mask = upload.find_file("mask")
    make = partial(_make_selection, params, mask)
    selection = await state.client.transfer(make) if mask else make()
    options = {"profile": _make_profile(params), "priority": params.priority, "name": name, "selection": selection}
    if params.webhook:
        parse_secret(settings)  # a farm without a secret sends no webhooks
    await _check_id(state, owner, params.id)
    if params.source:
        if image:
            raise SettingsError("the image is in the body and at the URL of the parameter source; send one of them")
        image = upload.folder / "source"
        _check_source(params.source, owner, settings.api.api_sources)
        await state.client.transfer(partial(_download, params.source, image, settings=settings))
    if not image:
        raise UnidentifiedImage("the request has no image: send its bytes as the body, or as the file `file` of a form")
    _check_format(image, name)
    return Submission(image, options | {"metadata": JobMetadata(params.id, owner, params.webhook)})


def _make_profile(params: SubmitParams) -> Profile:
    if params.profile_toml:
        profile = _parse_profile(params.profile_toml)
    elif params.profile in PROFILES:  # the library would accept the path of a file
        profile = PROFILES[params.profile]
    else:
        raise UnknownProfile(f"no profile is named {params.profile[:40]!r}; choose from {', '.join(PUBLIC_PROFILES)}")
    return profile.with_tiling(side=params.tile_size, overlap=params.overlap)


def _parse_profile(text: str) -> Profile:
    r"""Return a profile of one's own.

    >>> _parse_profile('detector = "PP-OCRv6_small_det"\nrecognizer = "PP-OCRv6_tiny_rec"').name
    'custom'
    >>> _parse_profile('runtime = {device = "gpu:0"}')
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: profile_toml: has a table runtime, which only workers have
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"profile_toml: not TOML ({error})") from error
    if "runtime" in values:
        raise SettingsError("profile_toml: has a table runtime, which only workers have")
    if paths := [value for value in values.values() if isinstance(value, str) and PurePosixPath(value).name != value]:
        raise SettingsError(f"profile_toml: {paths[0][:40]!r} is a path; name models of the farm")
    return Profile.from_json({"name": "custom", **values})


def _make_selection(params: SubmitParams, mask: Path | None) -> Selection:
    return Selection(
        parse_page_ranges(params.pages),
        params.dpi,
        tuple(map(parse_region, params.region)),
        read_mask(mask, name="mask", max_pixels=_MAX_MASK_PIXELS) if mask else None,
    )


async def _check_id(state: ServerState, owner: str, job: str) -> None:
    """Raise an error if an id is malformed, or another owner's job has it."""
    if not job:
        return
    try:
        validate_job_id(job)
    except UnknownJob as error:
        raise SettingsError("id: must be a ULID, 26 capital letters and digits") from error
    try:
        status = await state.client.job(job).status()
    except UnknownJob:
        return
    if status.owner != owner:
        raise HTTPException(409, "the id is taken; choose a new one")


def _check_source(url: str, owner: str, sources: str) -> None:
    """Raise `SettingsError` if an owner may not submit from a URL; `https://` URLs have a setting of their own.

    >>> _check_source("s3://scans/alice/a.tif", "alice", "alice:s3://scans/alice/, s3://common/")
    >>> _check_source("s3://scans/alice/a.tif", "bob", "alice:s3://scans/alice/, s3://common/")
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: source: this server may not read it for you; send the image as the body
    """
    if url.startswith(_HTTPS):
        return
    entries = [entry.strip().rpartition(_S3) for entry in sources.split(",")]
    prefixes = tuple(f"{_S3}{prefix}" for who, _, prefix in entries if prefix and who in ("", f"{owner}:"))
    if not url.startswith(prefixes or ("\0",)) or ".." in url.split("/") or not url.isprintable():
        raise SettingsError("source: this server may not read it for you; send the image as the body")


def _download(url: str, path: Path, *, settings: Settings) -> None:
    try:
        download_source(url, path, settings=settings)
    except (ObjectNotFound, StoreDenied) as error:
        raise ImageNotFound(f"{url}: there is no such object, or this server may not read it") from error
    if path.stat().st_size > settings.api.api_max_upload_bytes:
        raise TooLarge(f"{url}: has more than {settings.api.api_max_upload_bytes:,} bytes; submit smaller images")


def _check_format(image: Path, name: str) -> None:
    from ocrfarm.image.formats import detect_format

    try:
        detect_format(image)
    except InputError as error:
        raise type(error)(str(error).replace(str(image), name)) from error
