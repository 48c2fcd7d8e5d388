# SPDX-License-Identifier: Apache-2.0
"""Names files that are something else than their name says, by their first bytes."""

from __future__ import annotations

HEAD_BYTES = 64
_KINDS = (
    (b'version https://git-lfs', 'a git LFS pointer, not the file itself (run: git lfs pull)'),
    (b'/annex/objects/', 'a git-annex pointer, not the file itself (run: git annex get)'),
    (b'../.git/annex/', 'a git-annex pointer, not the file itself (run: git annex get)'),
    (b'<!doctype html', 'a web page'),
    (b'<html', 'a web page'),
    (b'pk\x03\x04', 'a ZIP archive or an Excel workbook'),
    (b'\x1f\x8b', 'compressed with gzip (run: gunzip)'),
    (b'%pdf', 'a PDF'),
    (b'\x89png', 'a PNG image'),
    (b'\xff\xd8\xff', 'a JPEG image'),
)


def foreign_kind(head: bytes) -> str:
    """What a file is that begins with these bytes; '' if it is none of the known wrong kinds."""
    head = head[:HEAD_BYTES].lstrip().lower()
    return next((kind for begin, kind in _KINDS if head.startswith(begin)), '')
