# SPDX-License-Identifier: Apache-2.0
"""Lengths that headers of sound files and films give, where FFmpeg does not tell them."""

from __future__ import annotations

import io
import os
from typing import Any

_UNKNOWN = 0x7FFF_0000  # killed recorders write 0 or -1 as the size of the data
_WAVE64 = bytes.fromhex('726966662e91cf11a5d628db04c10000')  # its first GUID
_PAGE_BYTES = 65_307  # the longest page of Ogg


def wav_length_s(path: str, stream: Any) -> float:
    """Length that the header of a WAV file gives to its data; 0 where it gives none."""
    bytes_s = (stream.bit_rate or 0) / 8
    with open(path, 'rb') as file:
        name, size = file.read(12)[:4], 0
        while name != b'data':
            file.seek(size + size % 2, io.SEEK_CUR)
            chunk = file.read(8)
            if len(chunk) < 8:
                return 0.0
            name, size = chunk[:4], int.from_bytes(chunk[4:], 'little')
    return size / bytes_s if size < _UNKNOWN and bytes_s else 0.0


def has_mp3_length(path: str) -> bool:
    """Whether an MP3 file begins with a frame that tells how many frames follow."""
    with open(path, 'rb') as file:
        head = file.read(10)
        tag = 0
        if head[:3] == b'ID3' and len(head) == 10:
            for byte in head[6:]:
                tag = tag * 128 + (byte & 127)
            tag += 10
        file.seek(tag)
        first = file.read(512)
    return b'Xing' in first or b'Info' in first


def missing_end(path: str) -> str:
    """Says what shows that the end of a file is missing; '' if nothing does."""
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        head = file.read(4096)
        file.seek(max(0, size - 2 * _PAGE_BYTES))
        tail = file.read()
    if head[:4] == b'OggS':
        page = tail[max(0, tail.rfind(b'OggS')) :]
        segments = page[26:27]
        complete = segments and len(page) >= 27 + segments[0] + sum(page[27 : 27 + segments[0]])
        return '' if complete and page[5] & 4 else 'the Ogg stream has no last page'
    stated = _stated_bytes(head)
    return f'the file has {size} of {stated} bytes' if size < stated else ''


def _stated_bytes(head: bytes) -> int:
    """Size of a file as its header gives it; 0 where it does not, and for other formats."""
    if head[:4] == b'RIFF':
        size = int.from_bytes(head[4:8], 'little')
        return 8 + size if size < _UNKNOWN else 0
    if head[:16] == _WAVE64:
        return int.from_bytes(head[16:24], 'little')
    if head[:4] == b'.snd':  # AU
        size = int.from_bytes(head[8:12], 'big')
        return int.from_bytes(head[4:8], 'big') + size if size < _UNKNOWN else 0
    if head[:4] == b'caff':
        place = 8
        while chunk := head[place : place + 12]:
            size = int.from_bytes(chunk[4:], 'big', signed=True)
            if chunk[:4] == b'data' or size < 0:  # -1: unknown
                return place + 12 + size if size >= 0 else 0
            place += 12 + size
    if head[:4] == b'\x1a\x45\xdf\xa3':  # Matroska, WebM: an EBML header, then one segment
        place, size = _ebml_size(head, 4)
        place += size
        if head[place : place + 4] == b'\x18\x53\x80\x67':
            place, size = _ebml_size(head, place + 4)
            return place + size if size else 0
    return 0


def _ebml_size(data: bytes, place: int) -> tuple[int, int]:
    """Where the number of variable length at `place` ends, and its value; 0 if unknown."""
    length = 9 - data[place].bit_length() if data[place : place + 1] else 9
    bits = 7 * length
    value = int.from_bytes(data[place : place + length], 'big') & ((1 << bits) - 1)
    return place + length, 0 if value == (1 << bits) - 1 else value
