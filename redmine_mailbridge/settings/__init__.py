"""Typed settings: loaded, checked, explained.

Knows files, environment and secrets by reference; must not open a connection to anything.
"""
