"""The auto-replies due for a message, stored from its decision until its write is complete."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

from redmine_mailbridge.model.plan import Action, Plan
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PendingReplies:
    """The auto-replies due for a message, with their template variables; stored with the intent: a crash loses none.

    The reason for a rejection, or for withholding an agent's reply, as the recipient receives it, is `rejection_reason`
    (`outgoing.reasons`). `proven`: the sender is proven; else the reply contains no text of the message. `name` and
    `address` are the requester's if that is a person behind the From address, `vouched` says that this From address is
    proven; else they are empty. `account` is the address of the Redmine account that the reply goes to instead of the
    sender, "" for the sender.
    """

    kinds: tuple[str, ...] = ()
    subject: str = ""
    project: str = ""
    login: str = ""
    rejection_reason: str = ""
    proven: bool = False
    name: str = ""
    address: str = ""
    vouched: bool = False
    account: str = ""

    @classmethod
    def by(cls, plan: Plan) -> Self:
        """The auto-replies of a plan."""
        withheld = plan.agent_reply.not_mailed if plan.agent_reply is not None else None
        notice = plan.new_user is not None and plan.new_user.own_notice and plan.template is not None
        return cls(
            kinds=tuple(kind for kind in (plan.template, "registration" if notice else None) if kind),
            subject=plan.fields.subject or "",
            project=plan.project or "",
            login=plan.new_user.login if plan.new_user else "",
            rejection_reason=withheld or (plan.rejection_reason if plan.action is Action.REFUSE else ""),
            proven=plan.proven,
            name=plan.requester.name if plan.through else "",
            address=plan.requester.address if plan.through else "",
            vouched=plan.through_proven,
            account=plan.agent_reply.account if plan.agent_reply is not None else "",
        )

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Given the stored form, return the value; fields of an earlier version are dropped."""
        known = {attribute.name: kept[attribute.name] for attribute in fields(cls) if attribute.name in kept}
        return cls(**known | {"kinds": tuple(known.get("kinds", ()))})
