"""Bytes -> pixels: pictures of any size, decoded in strips; limits before decoding."""
