"""The settings in force, and the only place where the environment is read.

A value comes from the command line, else the environment (`CONCORDAT_PORT`), else the YAML file (`port:`), else its
default. Every secret can also be named by a file: `CONCORDAT_DATABASE_URL_FILE=/run/secrets/database`.
"""

from server.config.loading import Loaded, describe, load, show
from server.config.settings import Settings, VendorAccess, is_loopback, is_secret
from server.config.sources import ConfigError, read_variable, variable

__all__ = [
    "ConfigError", "Loaded", "Settings", "VendorAccess", "describe", "is_loopback", "is_secret", "load",
    "read_variable", "show", "variable",
]  # fmt: skip
