"""Trials on the user's own machines: how much a farm bears, and with which settings a machine reads fastest."""
