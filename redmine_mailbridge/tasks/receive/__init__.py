"""The task receive: from a mail on the server to an issue or a note, and the mail filed."""
