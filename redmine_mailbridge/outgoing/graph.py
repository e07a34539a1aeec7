"""Sends mail through Microsoft Graph: the bytes as they are, from one mailbox, with the sign-in that reading has.

Graph has no envelope: a message is sent once to those whom its header names. If an answer was lost, the message is
looked for before it is offered again: one that was sent lies in the mailbox under its Message-ID.
Source: https://learn.microsoft.com/graph/outlook-send-mime-message, …/api/user-sendmail, …/resources/message.
"""

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from redmine_mailbridge.errors import LoginRefused, MailboxError, SendingDeferred, SendingRefused
from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.mailboxes.graph.client import GraphBusy, GraphClient, GraphDenied, GraphRefused
from redmine_mailbridge.mailboxes.graph.response import Unreadable, objects_in
from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.outgoing.envelope import addressed_to
from redmine_mailbridge.outgoing.graph_draft import GraphDraft
from redmine_mailbridge.util.backoff import hint

MOST_BYTES = 3_000_000
"""Of a mail that is sent in one request: in base64 that is 4 MB, the most that Graph takes."""
SETTLES = 300.0
"""Seconds after which a message whose fate is unknown lies in the mailbox if it was sent."""
AWAY = frozenset({429, 503, 509})
CONFIGURATION = frozenset(
    {
        "ErrorSendAsDenied", "ErrorInvalidUser", "ErrorNonExistentMailbox", "ErrorMailboxMoveInProgress",
        "ErrorMailboxStoreUnavailable", "ErrorQuotaExceeded", "ErrorAccountDisabled", "ErrorMessageSubmissionBlocked",
        "ErrorExceededMessageLimit", "ErrorSubmissionQuotaExceeded", "ResourceNotFound", "Request_ResourceNotFound",
        "ErrorInvalidLicense", "ErrorSendingUnauthorized",
    }
)  # fmt: skip
"""Graph's words for a refusal because of the mailbox, its rights or its quota, whatever the mail."""
MOST_PAGES = 20
"""Of the answer to the question whether a message was sent: there are a few copies of it at most."""
TOO_LARGE = 413
SENT = "isDraft,toRecipients,ccRecipients,bccRecipients"


class GraphTransport:
    """One mailbox of Exchange Online, given how to reach it. As `smtp.MessageTransport`; Sent Items keeps a copy."""

    def __init__(self, config: MailboxConfig) -> None:
        self._config = replace(config, on_command=lambda: None)
        self._client: GraphClient | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open(self) -> GraphClient:
        if self._client is None:
            try:
                self._client = GraphClient(self._config)
            except MailboxError as error:
                raise SendingDeferred(str(error)) from error
        return self._client

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """As Transport says. The sender is that of the From field; Exchange knows whether the mailbox may use it."""
        del sender
        return self.send_message([recipient], content, again=False)

    def send_message(self, recipients: Sequence[str], content: bytes, *, again: bool) -> str:
        """As MessageTransport says."""
        client = self._open()
        draft = GraphDraft(client, content)
        try:
            left = list(recipients)
            if again:
                had = self._had(client, draft)
                left = [recipient for recipient in recipients if recipient.lower() not in had]
            if not left:
                return "accepted by Microsoft Graph before: found in the mailbox"
            self._send(client, GraphDraft(client, addressed_to(content, left)))
        except MailboxError as error:
            raise sorted_error(error) from error
        return "accepted by Microsoft Graph"

    def _send(self, client: GraphClient, draft: GraphDraft) -> None:
        """Send at once, or by a draft what is too large for that, or has fields that Exchange keeps only there."""
        small = len(draft.content) <= MOST_BYTES
        if small and not draft.fields:
            client.post_mime("/sendMail", draft.content)
            return
        try:
            draft.make(MOST_BYTES)
        except GraphDenied as error:
            if not small:  # it says nothing of the mails that need no draft
                raise SendingDeferred(f"Microsoft Graph: {error}", whole=False, configuration=True) from error
            client.post_mime("/sendMail", draft.content)  # without Mail.ReadWrite there are no drafts
            return
        draft.send()

    def _had(self, client: GraphClient, draft: GraphDraft) -> set[str]:
        """Return to whom the message was sent before, as far as the permissions allow to see; drop what is half made.

        All folders are looked in: whoever uses the mailbox may have moved or deleted it.
        """
        quoted_id = draft.message_id.replace("'", "''")
        query = {"$filter": f"internetMessageId eq '{quoted_id}'", "$select": SENT}
        had: set[str] = set()
        try:
            messages = list(client.values("/messages", most=MOST_PAGES, params=query))
        except GraphDenied:
            return had
        except GraphRefused as refused:  # of the question, not of the mail
            raise ConnectionLost(str(refused)) from None
        for message in messages:
            if message.get("isDraft"):
                draft.discard(str(message.get("id", "")))
                continue
            try:
                had |= set(_addresses(message))
            except Unreadable as error:
                raise ConnectionLost(f"{client.where}: {error}") from None
        return had

    def check(self) -> str:
        """Find out, without sending, whether mail can be sent from the mailbox. Return what more is allowed, in words.

        It requests a message without recipients, which Exchange refuses after it has checked the permissions. Raise
        SendingDeferred when it would not send.
        """
        client = self._open()
        try:
            try:
                client.call("POST", "/sendMail", json={"message": {"toRecipients": []}, "saveToSentItems": False})
            except GraphRefused as refused:
                if refused.status != 400:
                    raise
            try:
                client.call("GET", "/mailFolders/sentitems", params={"$select": "id"})
            except GraphDenied:
                return "without Mail.ReadWrite: large mails cannot be sent, and a lost answer is not looked up"
        except MailboxError as error:
            raise sorted_error(error) from error
        return ""


def sorted_error(error: MailboxError) -> SendingRefused | SendingDeferred:
    """Given an error of Graph, return what it means for sending. An answer that was lost, or a failure of Graph's own,
    may come after the message was sent: time must pass before that can be seen in the mailbox.
    """
    error_text = str(error)
    if isinstance(error, GraphBusy) and error.status in AWAY:
        return SendingDeferred(error_text, pause=hint(error_text) or 0.0)
    if isinstance(error, GraphBusy | ConnectionLost):
        return SendingDeferred(error_text, whole=False, ended=True, pause=max(hint(error_text) or 0.0, SETTLES))
    if isinstance(error, GraphRefused):
        not_graphs = not error.code and error.status != TOO_LARGE  # a proxy's: no word about the mail
        configuration = not_graphs or error.code in CONFIGURATION or error.status in {403, 404}
        return (
            SendingDeferred(error_text, whole=False, configuration=True)
            if configuration
            else SendingRefused(error_text)
        )
    words = error_text if isinstance(error, LoginRefused) else f"Microsoft Graph: {error_text}"
    return SendingDeferred(words)


def _addresses(message: dict[str, Any]) -> list[str]:
    """Given a message of Graph's, return its recipients' addresses, lower case. Raise Unreadable."""
    people = [
        recipient
        for field in ("toRecipients", "ccRecipients", "bccRecipients")
        for recipient in objects_in(message.get(field) or [])
    ]
    return [
        str(address["address"]).lower()
        for address in objects_in([person.get("emailAddress") or {} for person in people])
        if "address" in address
    ]
