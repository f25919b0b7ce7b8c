"""The HTTP API, for those who do not use Python: jobs, their events and their results, behind keys."""
