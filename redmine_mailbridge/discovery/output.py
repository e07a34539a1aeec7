"""What discovery found, as lines for a terminal or as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import tomlkit

from redmine_mailbridge.discovery.model import DiscoveryStep, Offer
from redmine_mailbridge.settings.presets import presets
from redmine_mailbridge.settings.schema import dotted


def step_lines(step: DiscoveryStep, address: str, *, as_json: bool) -> Iterator[str]:
    """Given a step, yield its one line."""
    if as_json:
        value = asdict(step)
        if step.offer is not None:
            value["settings"] = {dotted(path): setting for path, setting in step.offer.settings(address).items()}
        yield json.dumps(value, ensure_ascii=False)
        return
    yield f"{'found' if step.offer else '-':<6}{step.name:<13}{step.words}"


def nothing(steps: Sequence[DiscoveryStep]) -> str:
    """Given all steps of a search that found no servers, return what to do now, in one line."""
    if any(step.away for step in steps):
        return (
            "Nothing found, and not everybody could be asked: has this machine a network, and does its DNS answer? "
            "Providers with a preset are found without: discover --list."
        )
    return "Nothing found: ask your provider for the server's name, and enter host, port and encryption yourself."


def lines(offer: Offer, address: str) -> Iterator[str]:
    """Given what was found, yield the lines for the settings, with what has to be known as comments."""
    if offer.advice:
        yield f"# {offer.advice}"
    incoming = offer.incoming
    if incoming is not None and incoming.oauth_only:
        yield "# This server takes OAuth tokens only."
    yield "[mailboxes.NAME]"
    yield f'address = "{address}"'
    for path, value in offer.settings(address).items():
        yield f"{dotted(path)} = {tomlkit.item(value).as_string()}"


def provider_lines(*, as_json: bool) -> Iterator[str]:
    """Yield a line for each preset."""
    for preset in presets().values():
        yield json.dumps(asdict(preset), ensure_ascii=False) if as_json else f"{preset.name:<14}{preset.title}"
