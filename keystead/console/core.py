"""What all pages share: the way to the service, templates and static files, the clock."""

import base64

from keystead.clock import Clock
from keystead.console import rendering
from keystead.console.carrier import Served
from keystead.console.service import Call
from keystead.entropy import Entropy


class Console:
    """What all pages share."""

    def __init__(self, call: Call, served: Served, clock: Clock, entropy: Entropy) -> None:
        self.call = call
        self.served = served
        self.clock = clock
        self._entropy = entropy
        self.statics = rendering.static_files()
        self.environment = rendering.environment()

    def new_token(self) -> str:
        """What nobody can guess: 32 random bytes, base64url."""
        return base64.urlsafe_b64encode(self._entropy.take(32)).decode().rstrip("=")
