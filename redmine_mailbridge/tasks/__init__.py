"""The scheduled jobs: receive, update, aggregate, and the service that runs them.

Knows every room above; must hold no policy of its own.
"""
