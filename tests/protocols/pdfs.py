"""Small PDF files, as far as counting their pages needs them."""

from __future__ import annotations

import zlib
from base64 import b64encode


def pdf(pages: int, *, packed: bool = False, flate: bool = True) -> str:
    """A PDF in base64; `packed`: its pages are listed in a stream, compressed if `flate`."""
    objects = b"<< /Type /Pages /Kids [] >>\n"
    objects += b"".join(b"<< /Type /Page /Parent 1 0 R >>\n" for _ in range(pages))
    if packed:
        stream = zlib.compress(objects) if flate else b"\x00" + objects.hex().encode()
        objects = b"<< /Type /ObjStm /N 2 >>\nstream\r\n" + stream + b"\nendstream\n"
    return b64encode(b"%PDF-1.7\n" + objects + b"%%EOF").decode()
