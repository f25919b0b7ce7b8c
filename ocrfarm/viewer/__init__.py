"""Documents and their images -> a folder that a browser shows; and the pages that `ocrfarm view` and `up` serve."""

from ocrfarm.viewer.bundle import ViewerItem, write_viewer

__all__ = ["ViewerItem", "write_viewer"]
