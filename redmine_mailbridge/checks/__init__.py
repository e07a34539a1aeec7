"""What `check` looks at, and what is looked at before a service begins: one plain value for each thing found.

Knows settings and how to reach every server; must not change anything anywhere.
"""
