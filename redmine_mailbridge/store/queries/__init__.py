"""Read-only queries: messages, conversations, statistics."""
