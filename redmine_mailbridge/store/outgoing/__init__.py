"""What the outbox holds of outgoing messages."""
