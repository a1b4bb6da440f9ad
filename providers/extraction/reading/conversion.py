"""Old Office and OpenDocument files, made into new ones by LibreOffice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from providers.errors import Unreadable
from providers.extraction.limits import Limits
from providers.extraction.reading.confinement import confine_converter


@dataclass(frozen=True, slots=True)
class Converter:
    """`soffice` is where LibreOffice is installed, or None; it keeps its profile and its work in `scratch`."""

    soffice: Path | None
    scratch: Path | None
    limits: Limits

    def convert(self, path: Path, extension: str) -> Path:
        """Raises `Unreadable`. Whoever started us ends LibreOffice with us, when our time is over."""
        if self.soffice is None or self.scratch is None:
            message = "files of this kind are read by LibreOffice, which is not installed on this server"
            raise Unreadable("unsupported_file", message)
        import subprocess

        command = [
            str(self.soffice),
            "--headless",
            "--norestore",
            f"-env:UserInstallation={(self.scratch / 'profile').as_uri()}",
            "--convert-to",
            extension,
            "--outdir",
            str(self.scratch),
            str(path),
        ]
        environment = {"HOME": str(self.scratch), "TMPDIR": str(self.scratch), "PATH": "/usr/bin:/bin"}
        subprocess.run(  # noqa: S603  the program is configured, and this process has one thread
            command,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(confine_converter, self.limits),
        )
        made = self.scratch / f"{path.stem}.{extension}"
        if not made.is_file():
            raise Unreadable("corrupt", "LibreOffice cannot read the file")
        return made
