"""From the server to the store: what is new, fetched once, whole."""
