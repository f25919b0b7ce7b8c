"""Pixels -> fragments of one tile: engines, weights and profiles."""

from ocrfarm.recognize.engine import Cascaded, Engine, Found, Pixels
from ocrfarm.recognize.load import load_engine
from ocrfarm.recognize.profiles import Cascade, Profile, Runtime, Tiling, find_profile
from ocrfarm.recognize.read import read_look, read_tile
from ocrfarm.recognize.weights import WeightsFolders

__all__ = [
    "Cascade",
    "Cascaded",
    "Engine",
    "Found",
    "Pixels",
    "Profile",
    "Runtime",
    "Tiling",
    "WeightsFolders",
    "find_profile",
    "load_engine",
    "read_look",
    "read_tile",
]
