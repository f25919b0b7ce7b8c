"""The HTTP API for programs in any language: jobs, their events and their results, behind keys; and webhooks."""
