"""Recursive language models: a model that works on an input of any length, and asks itself about parts of it.

`classic` lets it work in a sandboxed Python session, `lambda` reads the input in parts as planned. See docs/rlm.md.
"""

from handlers.core.rlm.ask import Bounds, Engine, RlmAsk
from handlers.core.rlm.outcome import Outcome, Totals
from handlers.core.rlm.runs import DEFINITION, Created, create, retrieve

__all__ = ["DEFINITION", "Bounds", "Created", "Engine", "Outcome", "RlmAsk", "Totals", "create", "retrieve"]
