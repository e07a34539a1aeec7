"""Proves to a mail server who we are: one file a mechanism, one that chooses (SASL, RFC 4422).

Knows challenges and answers as bytes; must not know IMAP, POP3 or sockets.
"""
