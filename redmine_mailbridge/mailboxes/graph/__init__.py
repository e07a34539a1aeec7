"""A mailbox over Microsoft Graph."""
