"""Pixels -> fragments of one tile: engines, weights and profiles."""
