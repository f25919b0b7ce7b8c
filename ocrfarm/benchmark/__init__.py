"""Measurements on the user's machines: the throughput of a farm under load, and the fastest settings of a machine."""
