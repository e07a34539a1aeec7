"""LOGIN (draft-murchison-sasl-login): the password itself, after two prompts. For servers without other mechanisms."""

from redmine_mailbridge.sasl.mechanism import Credentials


class Login:
    """Username at the first prompt, password at the second, whatever the prompts say."""

    def __init__(self, who: Credentials) -> None:
        self.answers = [who.user, who.password]

    def answer(self, _challenge: bytes) -> bytes | None:
        """Given a prompt, return the next answer; None at the third."""
        return self.answers.pop(0).encode() if self.answers else None
