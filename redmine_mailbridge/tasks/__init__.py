"""The scheduled jobs, each a walk over the stations for many mails.

Knows every station and the order in which they come; must hold no policy of its own.
"""
