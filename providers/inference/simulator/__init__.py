"""A deterministic vendor inside the product, for trying things out and for tests."""

from providers.inference.simulator.provider import Simulator

__all__ = ["Simulator"]
