"""Characters inserted into a text: one without width that separates two others, and one that replaces another."""

JOINER = "\u2060"
"""WORD JOINER: no width, no break."""
MARK = "\ufdd0"
"""Markup that is put in when the words around it are inert."""
BAR = "\ufde5"
"""A "|" within a cell of a table, until it is written."""
