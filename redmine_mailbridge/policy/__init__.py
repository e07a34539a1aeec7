"""The complete policy: Message + Route + Facts → Plan.

Pure: works on a message and known facts about Redmine; must not request anything itself.
"""
