"""The process that reads one document: it is given a path, and answers on its standard output in lines of JSON.

A line a section: `{"text", "page", "slide", "sheet"}`; then `{"end": true}`, or `{"code", "message"}` for what
cannot be read. The process limits itself before it opens the document.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from providers.errors import Unreadable
from providers.extraction.limits import Limits
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.confinement import confine_reader
from providers.extraction.reading.conversion import Converter
from providers.extraction.reading.document import Document, read


def main(order: str) -> None:
    """`order` is JSON: `path`, `filename`, `media_type`, `limits`, `soffice`, `scratch`."""
    given = json.loads(order)
    limits = Limits(**given["limits"])
    confine_reader(limits)
    soffice, scratch = (Path(given[key]) if given[key] else None for key in ("soffice", "scratch"))
    converter = Converter(soffice, scratch, limits)
    document = Document(Path(given["path"]), given["filename"], given["media_type"])
    try:
        for section in read(document, Budget(limits), converter):
            _write({"text": section.text, "page": section.page, "slide": section.slide, "sheet": section.sheet})
        _write({"end": True})
    except Unreadable as error:
        _write({"code": error.code, "message": error.message})
    except MemoryError:
        _write({"code": "too_large", "message": "the document needs more memory than it is given"})


def _write(line: dict[str, Any]) -> None:
    content = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace")
    sys.stdout.buffer.write(content + b"\n")
    sys.stdout.buffer.flush()
