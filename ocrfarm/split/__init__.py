"""Size -> tiles: where a page is cut, and which tiles hold nothing to read."""
