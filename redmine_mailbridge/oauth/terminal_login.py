"""Signing in from a terminal: by browser, by a pasted address, or by device code. `say` prints the instructions."""

import time
from collections.abc import Callable

from redmine_mailbridge.errors import LoginRefused, ProviderAway
from redmine_mailbridge.oauth.loopback import Loopback
from redmine_mailbridge.oauth.model import ConnectionStatus
from redmine_mailbridge.oauth.sign_in_service import CODE_LIFE, SignIns

PrintLine = Callable[[str], None]


def by_browser(
    signs: SignIns, name: str, say: PrintLine, *, open_page: Callable[[str], object] | None = None
) -> ConnectionStatus:
    """Given a connection, have a person sign in by a browser on this machine. Return the state of the connection.

    `open_page` opens an address in the browser. Raise LoginRefused, ProviderAway.
    """
    connection = signs.connection(name)
    with Loopback(connection.provider.loopback) as loopback:
        flow = signs.begin_code_flow(name, loopback.redirect_uri)
        say(f"Sign in as {connection.account} at {connection.provider.title}: open this in a browser on this machine")
        say(f"(on another one: --paste, or --device):\n\n    {flow.url}\n")
        if open_page is not None:
            open_page(flow.url)
        answer = loopback.wait(CODE_LIFE)
        if answer is None:
            raise LoginRefused("the sign-in was not finished in time: begin again")
        return signs.finish_code_flow(answer, state=flow.state)


def by_paste(signs: SignIns, name: str, say: PrintLine, ask: Callable[[str], str]) -> ConnectionStatus:
    """Given a connection, have a person sign in by a browser anywhere, who then pastes the address it ends at."""
    connection = signs.connection(name)
    host = connection.provider.loopback
    flow = signs.begin_code_flow(name, "http://localhost" if host == "localhost" else f"http://{host}/")
    say(
        f"Sign in as {connection.account} at {connection.provider.title}: open this in any browser:\n\n    {flow.url}\n"
    )
    say(f"At the end the browser says that it cannot reach http://{host}: copy the whole address from its address bar.")
    return signs.finish_code_flow(ask("The address"), state=flow.state)


def by_device(
    signs: SignIns,
    name: str,
    say: PrintLine,
    *,
    pause: Callable[[float], object] = time.sleep,
    may: Callable[[], object] = lambda: None,
) -> ConnectionStatus:
    """Given a connection, have a person type a code on any device, and wait for it.

    `may` is asked before anything can be kept, and raises if the person who began may not continue.
    """
    connection = signs.connection(name)
    flow = signs.begin_device(name)
    say(f"Sign in as {connection.account} at {connection.provider.title}: on any device, open")
    say(f"\n    {flow.verification_uri}\n\nand type the code {flow.user_code}.")
    wait = flow.interval
    while True:
        pause(wait)
        may()
        try:
            polled = signs.poll_device(flow)
        except ProviderAway as error:  # RFC 8628 section 3.5: wait longer
            wait *= 2
            say(str(error))
            continue
        if polled.done is not None:
            return polled.done
        wait = max(wait, polled.wait)
