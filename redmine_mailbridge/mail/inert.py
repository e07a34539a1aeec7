"""stub"""

from redmine_mailbridge.mail.message import TextFormat


def make_inert(text: str, text_format: TextFormat) -> str:
    """stub"""
    return text
