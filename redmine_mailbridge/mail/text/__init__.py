"""The text of a mail: quotes, signatures, and what makes it inert in an issue."""
