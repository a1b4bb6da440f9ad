"""A tool that models call and this server runs: it looks into vector stores, and the answer says which files it cites.

To whoever asks, an answer is one chat. Beside the members that OpenAI has, its message (or a stream's deltas) may have
`file_search`, a list of searches as items of a response, and `annotations`, a list of `file_citation`.
"""

from handlers.core.file_search.ask import FileSearch, check, pack, unpack
from handlers.core.file_search.rounds import complete, stream

__all__ = ["FileSearch", "check", "complete", "pack", "stream", "unpack"]
