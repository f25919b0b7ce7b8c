"""Pixels -> fragments of one tile: engines, weights and profiles."""

from ocrfarm.recognize.engine import Engine, EngineOutput, EnginePair, RgbPixels
from ocrfarm.recognize.engine_factory import load_engine
from ocrfarm.recognize.profiles import Cascade, Profile, Runtime, Tiling, find_profile
from ocrfarm.recognize.tile_reader import read_region, read_tile
from ocrfarm.recognize.weights import WeightsFolders

__all__ = [
    "Cascade",
    "Engine",
    "EngineOutput",
    "EnginePair",
    "Profile",
    "RgbPixels",
    "Runtime",
    "Tiling",
    "WeightsFolders",
    "find_profile",
    "load_engine",
    "read_region",
    "read_tile",
]
