"""Source maps: from a place in generated code to the one it was made from.

mappings.py   base64 VLQ, read in bulk
parse.py      a map, or an index of maps, checked and made ready to be asked; imported where a map is read, for numpy
stacks.py     what browsers and Node write of a call stack, read and written

Source: ECMA-426, https://tc39.es/ecma426/
"""


class BadMap(ValueError):
    """The text says what is wrong with it."""
