"""The stages over Celery and Redis."""
