"""Addresses that show by themselves that their mail is not read. Beside `automatic.py`, which reads whole mails."""

import re

from redmine_mailbridge.model.mail import Address

_NO_REPLY = re.compile(
    r"(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|noreply.{0,40}|nicht[-_.]?antworten|ne[-_.]?pas[-_.]?repondre|"
    r"no[-_.]?responder|nepasrepondre|notifications?|alerts?|monitoring|mailer|bounces?|root|nagios|icinga|zabbix)"
)


def takes_no_reply(address: Address) -> bool:
    """Does the address itself show that its mail is not read?"""
    return _NO_REPLY.fullmatch(address.local.lower()[:100]) is not None
