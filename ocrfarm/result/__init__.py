"""Page -> bytes that others read: one file a format."""
