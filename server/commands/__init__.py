"""The sub-commands of `concordat`, one module for each noun.

They end with status 0, with 1 when what was asked cannot be done, or with 2 when the command or a setting is wrong.
"""
