"""Anthropic's Messages API in the common tongue."""

from providers.inference.anthropic.provider import Anthropic

__all__ = ["Anthropic"]
