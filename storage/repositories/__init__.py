"""What is stored, by noun. Reads answer frozen dataclasses, and `None` for what is absent.

A write that belongs to a larger act takes the act's `Transaction`; one that stands alone opens its own.
"""
