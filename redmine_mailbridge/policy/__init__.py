"""The whole policy of the product: Message + Route + Facts → Plan.

Pure: knows what a mail says and what Redmine is known to hold; must not ask anybody anything itself.
"""
