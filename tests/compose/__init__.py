"""compose.yaml, read by the real Docker Compose."""
