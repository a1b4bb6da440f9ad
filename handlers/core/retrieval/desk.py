"""What retrieval works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from providers.extraction.interface import Extractor
from storage.repositories.store_documents import StoreDocuments
from storage.repositories.vector_stores import StoreBatches, StoreFiles, VectorStores
from storage.search import SearchIndex


@dataclass(frozen=True, slots=True)
class Retrieval:
    """`folder` is for files that are being read; it need not be there."""

    index: SearchIndex
    extractor: Extractor
    folder: Path

    @property
    def stores(self) -> VectorStores:
        return VectorStores(self.index.database)

    @property
    def files(self) -> StoreFiles:
        return StoreFiles(self.index.database)

    @property
    def batches(self) -> StoreBatches:
        return StoreBatches(self.index.database)

    @property
    def documents(self) -> StoreDocuments:
        return StoreDocuments(self.index.database)
