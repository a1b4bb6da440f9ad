"""Datasets: rows that a project brings, by value or by address, or has built from its recorded traffic."""

from handlers.core.datasets.datasets import (
    MOST_ROWS,
    NewDataset,
    Window,
    append,
    find,
    get,
    list_datasets,
    read,
    register,
    unregister,
)
from handlers.core.datasets.filters import Condition
from handlers.core.datasets.spans import save_spans
from handlers.core.datasets.traffic import DEFINITION, NewBuilt, build
from storage.repositories.datasets import Dataset, DatasetPage

__all__ = [
    "DEFINITION",
    "MOST_ROWS",
    "Condition",
    "Dataset",
    "DatasetPage",
    "NewBuilt",
    "NewDataset",
    "Window",
    "append",
    "build",
    "find",
    "get",
    "list_datasets",
    "read",
    "register",
    "save_spans",
    "unregister",
]
