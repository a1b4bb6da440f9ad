"""Show the settings in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.commands.output import AsJson, align, complain, faults_in_words, print_json

if TYPE_CHECKING:
    from server import catalog


def show(as_json: AsJson = False) -> None:
    """Print every setting, its value and where it comes from; secrets are masked."""
    from server import catalog, config

    with faults_in_words():
        loaded = config.load()
        vendors = catalog.load(loaded.settings.catalog_file).vendors
        used = catalog.usable(vendors, loaded.settings)
    settings = config.describe(loaded)
    for warning in loaded.warnings:
        complain(f"warning: {warning}")
    if as_json:
        print_json(
            {
                "settings": {name: {"value": value, "source": source} for name, value, source in settings},
                "vendors": {name: _address(vendor) for name, vendor in used.items()},
            }
        )
        return
    typer.echo(align([("setting", "value", "source"), *settings]))
    typer.echo()
    rows = [("vendor", "address", "key"), *(_vendor_row(vendor) for vendor in used.values())]
    typer.echo(align(rows))


def _vendor_row(vendor: catalog.Vendor) -> tuple[str, str, str]:
    key = "" if vendor.row.embedded else ("**********" if vendor.key else "none needed")
    return vendor.row.name, _address(vendor) or "embedded", key


def _address(vendor: catalog.Vendor) -> str | None:
    from server.config.kinds import SecretUrl

    return str(SecretUrl(vendor.base_url)) if vendor.base_url else None
