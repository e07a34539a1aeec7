"""Signs in at OAuth providers and keeps the tokens: given a connection's name, an access token that is good now.

Knows providers, tokens and the store; must not know mailboxes, SMTP or Redmine.
"""
