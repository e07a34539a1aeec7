"""What an invitation says, in a few lines, for a mail that has no other text (RFC 5545, as much as is needed)."""

import datetime as dt
import re

_LINE_FOLD = re.compile(r"\r?\n[ \t]")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_NAMES = {"REQUEST": "Invitation", "CANCEL": "Cancelled", "REPLY": "Answer to an invitation", "PUBLISH": "Event"}
_ANSWERS = {
    "ACCEPTED": "Accepted", "DECLINED": "Declined", "TENTATIVE": "Tentatively accepted", "DELEGATED": "Delegated",
}  # fmt: skip


def summary(text: str) -> str:
    """Given an iCalendar, return its first event as lines of text (what, when, where, who), "" when it has none."""
    fields: dict[str, tuple[str, str]] = {}
    method = ""
    inside = False
    attendees: list[tuple[str, str]] = []
    for line in _LINE_FOLD.sub("", text[:200_000]).splitlines():
        head, _, value = line.partition(":")
        name, _, parameters = head.partition(";")
        name = name.strip().upper()
        if name == "METHOD":
            method = value.strip().upper()
        elif name == "BEGIN" and value.strip().upper() in {"VEVENT", "VTODO"}:
            inside = True
        elif name == "BEGIN" and inside:
            break  # an alarm: its fields are not the event's
        elif name == "END" and inside:
            break
        elif inside:
            fields.setdefault(name, (_plain(value), parameters))
            attendees += [(_plain(value), parameters)] if name == "ATTENDEE" else []
    if not inside:
        return ""
    kind = _NAMES.get(method, "Event")
    answers = [_answer(*attendee) for attendee in attendees[:20]] if method == "REPLY" else []
    lines = [f"{kind}: {fields.get('SUMMARY', ('', ''))[0]}".rstrip(": "), *(answer for answer in answers if answer)]
    start = _when(*fields.get("DTSTART", ("", "")))
    end = _when(*fields.get("DTEND", ("", "")))
    if start:
        lines.append(f"When: {start}" + (f" to {end}" if end and end != start else ""))
    for label, name in (("Where", "LOCATION"), ("Organizer", "ORGANIZER")):
        value = fields.get(name, ("", ""))[0]
        if value:
            lines.append(f"{label}: {re.sub('^mailto:', '', value, flags=re.IGNORECASE)}")
    if description := fields.get("DESCRIPTION", ("", ""))[0]:
        lines += ["", description]
    return "\n".join(lines)


def _answer(value: str, parameters: str) -> str:
    """Given an ATTENDEE of a reply (RFC 5546 section 3.2.3), return who says what, "" when it says nothing."""
    values = dict(parameter.partition("=")[::2] for parameter in parameters.split(";"))
    reply = _ANSWERS.get(values.get("PARTSTAT", "").strip().upper(), "")
    address = re.sub("^mailto:", "", value, flags=re.IGNORECASE)
    name = values.get("CN", "").strip('" ')
    who = f"{name} ({address})" if name and name != address else address
    return f"{reply} by {who}" if reply else ""


def _plain(value: str) -> str:
    """Undo the escapes of RFC 5545 section 3.3.11."""
    return re.sub(r"\\([nN,;\\])", lambda escape: "\n" if escape[1] in "nN" else escape[1], value).strip()


def _when(value: str, parameters: str) -> str:
    """Given a DATE or DATE-TIME and its parameters, return it as people write it, with its zone; "" if unreadable."""
    match = _STAMP.match(value)
    if not match:
        return ""
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        if hour is None:
            return dt.date(int(year), int(month), int(day)).isoformat()
        zone = (
            "UTC"
            if utc
            else next(
                (
                    parameter.partition("=")[2].strip('"')
                    for parameter in parameters.split(";")
                    if parameter.upper().startswith("TZID=")
                ),
                "",
            )
        )
        stamp = dt.datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59))  # noqa: DTZ001  its zone is printed beside it
    except ValueError:
        return ""
    return f"{stamp:%Y-%m-%d %H:%M} {zone}".strip()
