"""Questions to the store that change nothing: messages, conversations, statistics."""
