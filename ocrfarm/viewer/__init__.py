"""Documents and their images -> a folder for browsers, and the pages that `ocrfarm view` and `ocrfarm up` serve."""

from ocrfarm.viewer.bundle import ViewerItem, write_viewer

__all__ = ["ViewerItem", "write_viewer"]
