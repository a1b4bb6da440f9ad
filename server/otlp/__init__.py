"""Sends traces and metrics of requests to an OTLP collector, in the words of OpenTelemetry's conventions for GenAI.

Imported only where a collector is configured. What is said to models and by them is never sent.

spans.py      a request as a span
meters.py     requests as histograms
exporter.py   the queue, and the way to the collector
"""

from server.otlp.exporter import Exporter

__all__ = ["Exporter"]
