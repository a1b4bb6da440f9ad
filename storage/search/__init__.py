"""Exact search by meaning and by words, which finds the same on SQLite and on Postgres.

On SQLite the words are in FTS5 and the vectors in numpy; on Postgres they are in tsvector and pgvector (without that
extension in numpy, too). Databases only say which chunks hold a word how often, and which vectors are nearest: the
ranking by words (BM25) and the merging of both are done here, once for all.
"""

from storage.search.filters import Attribute, Every, Filter, Some
from storage.search.index import SearchIndex
from storage.search.shapes import Chunk, Found, NewChunk, Query

__all__ = ["Attribute", "Chunk", "Every", "Filter", "Found", "NewChunk", "Query", "SearchIndex", "Some"]
