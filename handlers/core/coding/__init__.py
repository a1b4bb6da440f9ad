"""How well coding sessions use what saves them tokens and time. See docs/coding-optimization.md.

Everything is counted from what requests told in their metadata and from what their vendors reported; what was said in
them is not looked at.
"""

from handlers.core.coding.advice import Advice, advise
from handlers.core.coding.carried import AVERAGES, COUNTS, INDEX, MAXIMA, SUMS
from handlers.core.coding.report import CodingWanted, Report, report
from handlers.core.coding.tally import Group, Tally

__all__ = [
    "AVERAGES",
    "COUNTS",
    "INDEX",
    "MAXIMA",
    "SUMS",
    "Advice",
    "CodingWanted",
    "Group",
    "Report",
    "Tally",
    "advise",
    "report",
]
