"""The web pages: show what the store and the settings say, and call what the commands call.

May know every other room's functions; holds no rule of its own about mail, and no room above knows it.
"""
