"""compose.yaml, with the real Docker Compose."""
