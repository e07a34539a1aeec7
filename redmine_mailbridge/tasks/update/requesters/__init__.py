"""Whom an issue names as its requester, at present and at the time of each note, and what changes that."""
