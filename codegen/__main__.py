"""`python -m codegen generate | check | diff OLD NEW`."""

from __future__ import annotations

import sys
import warnings

from codegen.generate import Layout, build_all


def main() -> int:
    warnings.simplefilter("always")
    for path, text in build_all(Layout()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


sys.exit(main())
