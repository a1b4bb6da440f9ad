"""What was asked, what became of it, what it cost and what its callers thought of it. See docs/history.md."""
