"""Documents and their pictures -> a folder that a browser shows; and the pages that `ocrfarm view` and `up` serve."""

from ocrfarm.viewer.folder import Sheet, write_viewer

__all__ = ["Sheet", "write_viewer"]
