"""What can be done with a request as it arrives, without the store: verified, where the secret is at hand, and bound."""

from contextlib import suppress

import msgspec

from keystead.api import bind
from keystead.api.bind import Bound
from keystead.api.http import signature
from keystead.api.http.receive import Received
from keystead.api.operation import Catalogue
from keystead.crypto.signing_secret import Secret
from keystead.crypto.vault import Vault


class Prepared(msgspec.Struct):
    """A request, and what it says: nothing before its signature was verified. `home`: the region of calls that name none."""

    asked: Received
    catalogue: Catalogue
    home: str
    bound: Bound | None = None
    signed: signature.Signed | None = None
    signed_with: Secret | None = None

    @property
    def host(self) -> str:
        """The host that was called; RPC v1 does not sign it."""
        signed = self.signed
        return self.asked.host if signed is None or signed.host is None else signed.host

    def verify(self, claims: signature.Claims, secret: Secret) -> None:
        """Read the request as the secret signed it; SignatureDoesNotMatch if it did not."""
        signed = self.signed = signature.verify(claims, self.asked.parameters, secret)
        self.bind(signed.action, signed.version, signed.parameters)
        self.signed_with = secret

    def bind(self, action: str, version: str, parameters: dict[str, str]) -> None:
        """Take these for what the request says."""
        self.bound = bind.bind_call(self.catalogue, action, version, parameters, self.host, self.home)


def prepare(asked: Received, catalogue: Catalogue, home: str, vault: Vault) -> Prepared:
    """Do what needs no store. It raises nothing."""
    prepared, claims = Prepared(asked, catalogue, home), asked.claims
    if claims is None:
        prepared.bind(asked.action, asked.version, asked.parameters)
    elif claims.signed:  # what is long first waits for its sender to be known
        secret = vault.ready_secret(claims.access_key_id)
        with suppress(Exception):  # it is verified again, and refused, when its turn comes
            if secret is not None:
                prepared.verify(claims, secret)
    return prepared
