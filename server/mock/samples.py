"""Short bodies of media types that a schema says nothing of."""

from __future__ import annotations

import struct
import zlib
from random import Random

from server.mock.scalars import WORDS

RATE = 8000
SAMPLES = RATE // 10


def sample(media_type: str, dice: Random) -> tuple[bytes, ...]:
    """Parts of a body of this type: files that can be opened where that takes a few lines, bytes or words elsewhere."""
    essence = media_type.partition(";")[0].strip().lower()
    words = " ".join(dice.choice(WORDS) for _ in range(4))
    if essence == "text/event-stream":
        return tuple(f"data: {word}\n\n".encode() for word in words.split())
    texts = {
        "text/vtt": f"WEBVTT\n\n00:00.000 --> 00:01.000\n{words}\n",
        "application/x-subrip": f"1\n00:00:00,000 --> 00:00:01,000\n{words}\n",
        "text/html": f"<!DOCTYPE html><title>{words}</title><p>{words}</p>\n",
        "text/csv": "number,word\n" + "".join(f"{number},{word}\n" for number, word in enumerate(words.split())),
    }
    if essence in texts:
        return (texts[essence].encode(),)
    if essence.endswith(("/xml", "+xml")):
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Mock><Text>{words}</Text></Mock>\n'.encode(),)
    if "jsonl" in essence or "ndjson" in essence:
        return ("".join(f'{{"text":"{word}"}}\n' for word in words.split()).encode(),)
    if essence.startswith("text/"):
        return (f"{words}\n".encode(),)
    makers = {"audio/wav": _wav, "audio/x-wav": _wav, "image/png": _png}
    return (makers[essence](dice) if essence in makers else dice.randbytes(64),)


def _wav(dice: Random) -> bytes:
    """A tenth of a second of noise: 8 kHz, 8 bits, one channel."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    body = head + struct.pack("<4sI", b"data", SAMPLES) + dice.randbytes(SAMPLES)
    return struct.pack("<4sI4s", b"RIFF", len(body) + 4, b"WAVE") + body


def _png(dice: Random) -> bytes:
    """One pixel (RFC 2083)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixel = zlib.compress(b"\0" + dice.randbytes(3))
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
