"""What holds for every mail, whatever its signs, sender, settings and facts are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from redmine_mailbridge.model.plan import Action
from redmine_mailbridge.policy.explanation import as_json, as_lines
from redmine_mailbridge.policy.fact_request import requested_facts
from tests.unit.policy.world import ISSUES, USERS, identity, message, plan_of, route_of

WHO = ["anna", "carl", "lena", "rita", "admin", "kim", "cora", "stranger", "mallory", "lookalike", "support", "nobody"]
SIGNS = ["signed", "relayed", "forged", "known", "sent", "redmine", "timed", "tag", "Bug", "JIRA", "marker", "bundle"]
SETS = [
    "", 'closed_reply = "reopen"', 'closed_reply = "new"', 'signed_references = "anyone"', "check_permissions = false",
    'allow_override = "all"', "reply_only = true", 'automatic_reply = "private_note"', "accept_automatic = true",
    'senders.ticket_user = "desk"', 'senders.locked = "accept"', 'senders.block = ["client.example"]',
]  # fmt: skip
ROWS = st.fixed_dictionaries(
    {
        "from": st.sampled_from(WHO),
        "auth": st.sampled_from(["passed", "unknown", "failed"]),
        "trust": st.sampled_from(["authenticated", "internal", "any"]),
        "unknown": st.sampled_from(["accept", "create", "hold", "ignore", "refuse"]),
        "kind": st.sampled_from(["", "auto-reply", "bounce", "list", "notification", "own"]),
        "ref": st.lists(
            st.builds("{}:{}".format, st.sampled_from(SIGNS), st.sampled_from([*ISSUES, 999])), max_size=3
        ).map(" ".join),
        "sees": st.sampled_from(["yes", "no", "-"]),
        "notes": st.sampled_from(["yes", "no", "-"]),
        "key": st.sampled_from(["admin", "plain"]),
        "may": st.sampled_from(["support", "sales"]),
        "cc": st.sampled_from(["support", "anna carl", "stranger"]),
        "text": st.text(max_size=40) | st.sampled_from(["Project: secret", "Status: Closed", "Parent issue: 20"]),
        "set": st.sampled_from(SETS),
    }
)


@settings(max_examples=1500, deadline=None)
@given(ROWS)
def test_what_always_holds(row: dict[str, str]) -> None:
    """Whatever comes: nobody unproven acts, nothing closed is written, nothing hidden is linked, all is explained."""
    mail, plan = message(row), plan_of(row)
    user = USERS.get(mail.sender.key)
    proven = row["auth"] == "passed" or (row["trust"] == "any" and row["auth"] == "unknown")
    made = plan.new_user.login if plan.new_user else None

    assert plan.act_as in {None, made, "desk"} or (proven and user is not None and user.login == plan.act_as)
    assert plan.act_as is None or row["key"] == "admin"
    assert plan.new_user is None or (user is None and row["auth"] != "failed" and row["key"] == "admin")
    if plan.action is Action.NOTE:
        issue = ISSUES[plan.issue or 0]
        machine = row["kind"] in {"auto-reply", "bounce"}
        assert issue.project_active
        assert row["auth"] != "failed" or machine
        assert mail.automatic.kind is None or plan.template is None
        assert not machine or (plan.private_note and plan.fields.status_id is None)
    if plan.action is Action.CREATE:
        assert plan.project == "support" or row["text"].startswith("Project")
        assert plan.related_issue is None or ISSUES[plan.related_issue].public or "closed_reply" in row["set"]
        assert plan.fields.parent_issue_id is None or row["sees"] == "yes"
    if row["kind"] == "own":
        assert plan.action is Action.IGNORE
    if row["from"] == "support":
        assert plan.template is None
    assert plan.reason
    assert "\n" not in plan.reason
    assert plan.reason in plan.steps[-1]
    assert as_json("f", mail, plan)["plan"] == plan.action
    assert as_lines(plan)
    assert set(requested_facts(mail, route_of(row["set"], row), identity(row)).issues) <= {*ISSUES, 1, 999}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHO), st.sampled_from(["tag", "redmine", "JIRA", "bundle", "forged"]), st.sampled_from([20, 50]))
def test_guesses_never_reach_what_is_not_public(who: str, sign: str, number: int) -> None:
    """Without proof of the sender, nothing that can be guessed leads to an issue that is not public."""
    plan = plan_of({"from": who, "ref": f"{sign}:{number}", "sees": "yes", "notes": "yes"})
    assert (plan.action is not Action.NOTE, plan.related_issue) == (True, None)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.text(max_size=200), st.text(max_size=40))
def test_no_text_makes_it_fail(subject: str, text: str, header: str) -> None:
    """Subjects, texts and headers of any characters end in a plan."""
    rules = 'rules = [{ name = "r", subject = "/(?P<x>.)/", text = "a", header = { X = "/b/" } }]'
    row = {"subject": subject, "text": text, "headers": f"X: {header}", "set": rules + '; allow_override = "all"'}
    assert plan_of(row | {"trust": "any", "from": "anna"}).action is Action.CREATE
