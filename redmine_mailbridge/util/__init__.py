"""Helpers for any room: small, without knowledge of mail, Redmine or the store."""
