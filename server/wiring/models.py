"""The catalog's models, the vendors that answer for them, and the tools that they may use."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from handlers.core.catalog import CatalogHolder
from providers.sandbox.monty import Monty
from server import catalog
from server.config import Settings
from server.toolshed import Toolshed
from server.vendors import Vendors


@dataclass(frozen=True, slots=True)
class Models:
    holder: CatalogHolder
    vendors: Vendors
    watcher: catalog.CatalogWatcher
    sandbox: Monty
    toolshed: Toolshed


async def open_models(settings: Settings, stack: AsyncExitStack) -> Models:
    loaded = catalog.load(settings.catalog_file)
    vendors = Vendors(settings)
    stack.push_async_callback(vendors.close)
    sandbox, toolshed = Monty(), Toolshed(settings)
    stack.push_async_callback(sandbox.close)
    stack.push_async_callback(toolshed.close)
    vendors.replace(loaded.vendors)
    holder = CatalogHolder(loaded.catalog)

    async def apply(fresh: catalog.Loaded) -> None:
        vendors.replace(fresh.vendors)
        holder.current = fresh.catalog

    return Models(holder, vendors, catalog.CatalogWatcher(settings.catalog_file, apply), sandbox, toolshed)
