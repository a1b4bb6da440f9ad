"""Mock mode: every operation answers what its document says it may, made up, the same for the same seed.

No handler, no provider and no database stands behind it. Requests are held against the document as they are elsewhere.
"""
