"""The bytes of mails as the server returned them: in a folder or in the database, found by their SHA-256."""
