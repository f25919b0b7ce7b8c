"""Fragments of many tiles -> the lines of one page."""
