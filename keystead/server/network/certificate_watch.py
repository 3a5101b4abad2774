"""Keeps the served certificate right while a server runs: renewed, replaced by its operator, or by another CA."""

import asyncio
from collections.abc import Callable, Sequence

from keystead.api.batch import Batch
from keystead.api.pipeline import Pipeline
from keystead.clock import Clock, iso8601
from keystead.crypto.authority import first_expiry
from keystead.domain.authorities import KeptAuthority, bundle
from keystead.entropy import Entropy
from keystead.errors import OperatorError
from keystead.portable import replace
from keystead.server import logs
from keystead.server.data.directory import DataDirectory
from keystead.server.data.world import OpenedStore
from keystead.server.network.certificates import (
    Files,
    Issued,
    machine_name,
    names_for,
    own_authorities,
)
from keystead.server.network.listener import Pem
from keystead.settings import Settings


class CertificateWatch:
    """The certificate of one server. `expires`: when the first of what is served does, in seconds since 1970, or 0."""

    def __init__(
        self,
        directory: DataDirectory,
        opened: OpenedStore,
        host: str,
        settings: Settings,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """From the operator's files or the server's own CA, as the settings say. OperatorError if neither will do."""
        self._directory = directory
        self._clock = clock
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._trouble = ""
        self.expires = 0
        names = names_for(host, settings.name)
        self._source: Files | Issued
        if settings.tls_cert:
            self._source = Files(settings.tls_cert, settings.tls_key)
        else:
            machine = machine_name(host)
            kept = own_authorities(directory, opened, names | machine, int(clock.now()), entropy)
            self._source = Issued(kept, opened.vault, names, machine, clock, directory.path)
            self._publish(anyway=True)  # for its mode: earlier versions kept it from other users
        pem = self._source.renewed()
        assert pem is not None
        self.first = self._noted(pem)

    def look(self, present: Callable[[Pem], None]) -> bool:
        """Present another certificate if there is one to be served. False if something is in the way; it is logged, once."""
        try:
            pem = self._source.renewed()
            if pem is not None:
                present(self._noted(pem))
                logs.event(
                    "certificate renewed", expires=iso8601(self.expires) if self.expires else "unknown"
                )
            self._publish()
        except (OperatorError, OSError, ValueError) as error:
            told = f"{error.message}; {error.hint}" if isinstance(error, OperatorError) else str(error)
            if told != self._trouble:
                logs.event("certificate not renewed", "warning", reason=told)
            self._trouble = told
            return False
        self._trouble = ""
        return True

    def adopting(self, then: Callable[[], object]) -> Callable[[Pipeline, Batch], bool]:
        """A job of the sequencer: follow what was done to the server's CAs, and call `then` on the event loop after it.

        What a batch finds may not be durable yet, so it counts once the next one finds it as well.
        """
        seen: Sequence[KeptAuthority] | None = None

        def adopt(pipeline: Pipeline, _: Batch) -> bool:
            nonlocal seen
            found = pipeline.store.authorities.all()
            if isinstance(self._source, Issued) and found not in (seen, self._source.kept):
                seen = found
                return True
            if isinstance(self._source, Issued):
                self._source.kept = found
            self._loop.call_soon(then)
            return False

        return adopt

    def takes(self, settings: Settings) -> set[str]:
        """Which settings `change` can take from these; another kind of certificate needs a restart."""
        if isinstance(self._source, Issued):
            return set() if settings.tls_cert else {"name"}
        return {"tls-cert", "tls-key"} if settings.tls_cert else set()

    def change(self, settings: Settings) -> None:
        """Take what `takes` says. OperatorError, and all as before, if a name or a file will not do."""
        if isinstance(self._source, Issued):
            self._source.want(names_for(self._host, settings.name))
        else:
            Files(settings.tls_cert, settings.tls_key).renewed()
            self._source = Files(settings.tls_cert, settings.tls_key)

    def _noted(self, pem: Pem) -> Pem:
        chains = [pem.certificate, *(one.certificate for one in pem.named)]
        try:
            self.expires = min(map(first_expiry, chains))
        except ValueError:  # a form that is served all the same, as BEGIN TRUSTED CERTIFICATE
            self.expires = 0
        return pem

    def _publish(self, anyway: bool = False) -> None:
        """Write what clients are to trust, unless that is there already."""
        path = self._directory.certificate
        if isinstance(self._source, Issued):
            pem = bundle(self._source.kept, self._clock.now()).encode()
            if anyway or not path.exists() or path.read_bytes() != pem:
                replace(path, pem, 0o644)
