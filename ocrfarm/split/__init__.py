"""Page size -> tiles: where a page is cut, and which tiles contain no text."""
