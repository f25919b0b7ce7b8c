"""Where bytes live: memory, a folder or an S3 bucket."""
