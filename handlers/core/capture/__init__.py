"""What is kept of the content of requests: by whose policy, how it is made safe to keep, and how it is found again."""

from handlers.core.capture.capture import Capture
from handlers.core.capture.policy import Policies, Policy

__all__ = ["Capture", "Policies", "Policy"]
