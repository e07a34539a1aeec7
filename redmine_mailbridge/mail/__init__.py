"""Turns any bytes into a Message that holds what the person wrote.

Pure: knows MIME, charsets, languages and markup; must not know mailboxes, the store, Redmine's API or any I/O.
"""
