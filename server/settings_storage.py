"""The settings of object storage."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field
from pydantic_settings import BaseSettings


class StorageSettings(BaseSettings):
    storage_free_bytes: int = Field(10**12, ge=0, description="Object storage that a project has without buying any.")
    storage_block_usd: Decimal = Field(
        Decimal(0), ge=0, le=10**6, description="Price of a block of object storage: a terabyte for a month."
    )
