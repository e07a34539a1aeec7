"""A mailbox over POP3 (RFC 1939)."""
