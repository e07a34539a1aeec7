"""The answers that a mail earns, kept from its decision to the end of what is written for it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from redmine_mailbridge.model.plan import Action, Plan


@dataclass(frozen=True, slots=True)
class Earned:
    """The answers that a mail earns, with what their templates tell; kept with the intent: a crash loses none.

    `told` stands for why a mail is refused, as its writer is told (`outgoing.reasons`). `proven`: something proves who
    wrote the mail; else its answer carries no text of it.
    """

    kinds: tuple[str, ...] = ()
    subject: str = ""
    project: str = ""
    login: str = ""
    told: str = ""
    proven: bool = False

    @classmethod
    def by(cls, plan: Plan) -> Self:
        """What a plan earns."""
        notice = plan.new_user is not None and plan.new_user.own_notice and plan.template is not None
        return cls(
            kinds=tuple(kind for kind in (plan.template, "registration" if notice else None) if kind),
            subject=plan.fields.subject or "",
            project=plan.project or "",
            login=plan.new_user.login if plan.new_user else "",
            told=plan.told if plan.action is Action.REFUSE else "",
            proven=plan.proven,
        )

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Given what the store kept of one, return it; what an earlier version knew more of it goes."""
        known = {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        return cls(**known | {"kinds": tuple(known.get("kinds", ()))})
