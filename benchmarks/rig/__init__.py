"""What is measured with: a vendor, clients and a bare gateway, each a process of its own, and the server."""
