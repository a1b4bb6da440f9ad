"""A tour of each API: every operation that has a handler is asked for once, in an order in which a client would.

What each does is shown at length by the other journeys. Here nothing is left out: a tour that misses an operation
fails, and so does one that believes to ask for an operation and asks for another.
"""
