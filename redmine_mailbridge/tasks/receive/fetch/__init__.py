"""Downloads new mail from the server to the store: each message once and complete."""
