"""How often a JPEG, baseline or progressive, goes over its pixels: maybe thousands of times, in a few bytes each."""

import re

_START = b"\xff\xda"
_END = 0xD9
# In the coded data of a scan, 0xFF stands before a zero, a restart marker or another 0xFF; else a marker begins.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def has_more_scans(jpeg: bytes, most: int) -> bool:
    """True for a JPEG of more than `most` scans. What lies behind its end doesn't count, nor what is in its headers."""
    if jpeg.count(_START) <= most:  # nearly always: the walk below is slower
        return False
    at, scans = 2, 0
    while scans <= most:
        found = _MARKER.search(jpeg, at)
        if found is None or jpeg[found.start() + 1] == _END:
            return False
        scans += found[0] == _START
        # The header's length counts itself, and not the marker.
        at = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
    return True
