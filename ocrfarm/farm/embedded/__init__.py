"""The farm that a process has for itself."""
