"""The steps of every call, in their one order: bind, authenticate, resolve, authorize, gate, run, record, encode.

`Pipeline.answer` is what the service does. It runs inside a batch: its effect, its nonce and its record become durable
in one commit, and its answer may leave only after that (the sequencer sees to it).
"""

from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from keystead.access.callers import Caller, CallerType
from keystead.api.ask import Ask, trace_of
from keystead.api.authorization import Authorizer, Context, request_context
from keystead.api.batch import Batch
from keystead.api.chains import Chains
from keystead.api.events import record_event
from keystead.api.home import Home
from keystead.api.http import encode, receive, signature
from keystead.api.http.message import Channel, HttpRequest, HttpResponse
from keystead.api.http.receive import Received
from keystead.api.needs import Need
from keystead.api.operation import CATALOGUE, Call, Catalogue, KeyCall, Operation
from keystead.api.prepare import Prepared, prepare
from keystead.api.resolve import Resolver
from keystead.api.service_keys import Promise
from keystead.api.sign_in import Arrival, Door
from keystead.api.slow import Attempt, Nonce, Slow
from keystead.api.tallies import Tallies
from keystead.api.wire_types import Request
from keystead.clock import Clock
from keystead.crypto.sealing import Unopenable
from keystead.crypto.vault import Vault
from keystead.domain.accounts import AccessKey, claimed_id
from keystead.domain.arns import key_arn
from keystead.domain.keys.algorithms import require
from keystead.domain.keys.lifecycle import admit
from keystead.entropy import Entropy, uuid4
from keystead.errors import (
    AccessKeyInactive,
    AccessKeyNotFound,
    DryRunDenied,
    DryRunRefused,
    DryRunSucceeded,
    InternalFailure,
    InvalidParameter,
    KmsError,
    NoPermission,
    SecurityTokenUnsupported,
    ServiceKeyManaged,
    SignatureDoesNotMatch,
    SignatureNonceUsed,
    SignInRefused,
    TimestampExpired,
    TooManyAttempts,
)
from keystead.store.ports import Store, StoreFailure


class Answer(NamedTuple):
    """An answer, and what metrics and log may know of it. `fault` is set when the error was ours.

    `source` and `access_key_id` are of a call that is not recorded: where it came from, and what it claimed, as far as
    that may be shown.
    """

    response: HttpResponse
    action: str
    code: str
    request_id: str
    recorded: bool
    fault: Exception | None = None
    source: str = ""
    access_key_id: str = ""


class Pipeline:
    """The service over a store, without sockets."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        entropy: Entropy,
        region: str,
        account: str,
        server_id: str,
        catalogue: Catalogue = CATALOGUE,
        client_clock: Clock | None = None,
        service_keys: bool = True,
    ) -> None:
        """`client_clock`: the time by which clients stamp their requests, if it is not that of `clock`; `service_keys`:
        whether a call that names the key of a service by its alias makes that key."""
        self.store = store
        self.vault = vault
        self.clock = clock
        self.client_clock = clock if client_clock is None else client_clock
        self.entropy = entropy
        self.home = Home(region, account)
        self.server_id = server_id
        self._reloads = store.reloads
        self.catalogue = catalogue
        self.service_keys = service_keys
        self.tallies = Tallies(int(clock.now()))
        self.chains = Chains(store, clock, entropy, account)
        self._authorizer = Authorizer(store)
        self._door = Door(store, vault, entropy, self._authorizer.principals, account)
        # Nonces of calls between their passes: in no batch, and nobody else's to use.
        self._reserved: set[Nonce] = set()

    def open_batch(self) -> Batch:
        """A batch in the open transaction of the store; its records go to this server's chain."""
        if self._reloads != self.store.reloads:
            self.vault.follow(self.store.keyring.all())
            self.vault.load((), self.store.keyring.secrets())
            self._reloads = self.store.reloads
        batch = Batch(self.store, self.server_id)
        self.chains.join(batch)
        return batch

    def committed(self, batch: Batch) -> None:
        """A batch is durable."""
        self.tallies.committed(batch)
        self.chains.committed(batch)

    def answer_now(self, batch: Batch, request: HttpRequest) -> Answer:
        """Answer one request, with slow work done on the spot."""
        attempt, prepared = Attempt(), self.prepare(receive.receive(request))
        while True:
            try:
                return self.answer(batch, prepared, attempt)
            except Slow as slow:
                attempt.remember(slow, slow.run())

    def prepare(self, asked: Received) -> Prepared:
        """Do what needs no store and can be done as a request arrives, often while a commit waits for the disk."""
        return prepare(asked, self.catalogue, self.home.region, self.vault)

    def finish(self, attempt: Attempt) -> None:
        """The call's answer is durable, or it will have none: let go of what it holds."""
        if attempt.nonce is not None:
            self._reserved.discard(attempt.nonce)

    def answer(self, batch: Batch, prepared: Prepared, attempt: Attempt) -> Answer:
        """Answer one request within a batch. StoreFailure if the store failed: then the whole batch must be undone.

        Slow if the call waits for slow work: nothing of this pass is left in the batch, and the call is to be answered
        anew, with the same attempt, once the outcome was given to it.
        """
        request_id = uuid4(self.entropy)
        asked = prepared.asked
        host, xml = asked.host, asked.xml
        try:
            arrival = self._arrive(prepared, attempt)
        except KmsError as error:
            # Nobody is known to have sent this, so nothing is recorded; metrics and log count it.
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else None
            if isinstance(error, SignInRefused | TooManyAttempts):  # as somebody's, which is recorded
                batch.wait_for_disk(int(self.client_clock.now()), self.entropy.take(16))
            return self._unrecorded(asked, error, request_id, cause)
        except StoreFailure:
            raise
        except Exception as error:  # a damaged row: it must not cost the whole batch
            return self._unrecorded(asked, InternalFailure(), request_id, error)

        now, caller, session = self.clock.now(), arrival.caller, arrival.session
        bound = prepared.bound
        assert bound is not None  # whose caller is known was read
        trace = trace_of(bound, self.home.region)
        ask = Ask(batch, asked, bound, caller, trace, int(now), request_id, xml, attempt, session)
        if session is not None and bound.operation is not None and not bound.operation.of_session:
            batch.note_session(session, int(now))
        fault: Exception | None = None
        code = ""
        try:
            if prepared.signed is not None:
                self._admit(batch, prepared.signed, ask)
            if arrival.refusal is not None:
                raise arrival.refusal
            response = self._perform(ask)
        except KmsError as error:
            code = error.code
            response = encode.failure(error, request_id, host, xml, trace.product.recommended_as)
        except Slow:
            if attempt.nonce is not None:
                batch.release_nonce(*attempt.nonce)
                self._reserved.add(attempt.nonce)
            raise
        except StoreFailure:
            raise
        except Exception as error:  # a bug of ours: the caller learns the request id and nothing else
            fault, code = error, InternalFailure.code
            response = encode.failure(InternalFailure(), request_id, host, xml, trace.product.recommended_as)
        if not code and bound.operation is not None and bound.operation.quiet:
            return Answer(response, trace.action, "", request_id, False)
        ask.record(now, prepared.host, response.status, code)
        return Answer(response, trace.action if trace.known else "", code, request_id, True, fault)

    def _unrecorded(
        self, asked: Received, refusal: KmsError, request_id: str, fault: Exception | None
    ) -> Answer:
        """The answer to a call of nobody knows whom."""
        claims = asked.claims
        if isinstance(refusal, SignatureDoesNotMatch) and claims is not None:
            access_key_id = claims.access_key_id  # it is one of the store's
        else:
            access_key_id = claimed_id(asked.claimed if claims is None else claims.access_key_id)
        response = encode.failure(refusal, request_id, asked.host, asked.xml)
        return Answer(response, "", refusal.code, request_id, False, fault, asked.source, access_key_id)

    # --- who

    def _arrive(self, prepared: Prepared, attempt: Attempt) -> Arrival:
        """Who calls. One who signed stays known from one pass to the next; a session may have ended since."""
        asked = prepared.asked
        if asked.channel is Channel.CONSOLE:
            return self._door.arrive(asked, prepared.bound, attempt, int(self.clock.now()))
        if attempt.caller is None:
            attempt.caller = self._authenticate(prepared)
        return Arrival(attempt.caller)

    def _authenticate(self, prepared: Prepared) -> Caller:
        """The caller, by signature, or by the control socket: then there are no claims to admit."""
        asked = prepared.asked
        if asked.refusal is not None:
            raise asked.refusal
        if asked.channel is Channel.CONTROL:
            principal = asked.user or CallerType.OPERATOR.value
            return Caller(account=self.home.account, type=CallerType.OPERATOR, principal=principal)
        assert asked.claims is not None
        access_key = self.store.accounts.access_key(asked.claims.access_key_id)
        if access_key is None or access_key.gone(self.clock.now()):
            raise AccessKeyNotFound
        secret = self.vault.secret(access_key)
        if prepared.signed_with is not secret:
            prepared.verify(asked.claims, secret)
        return self._authorizer.caller(access_key)

    def _admit(self, batch: Batch, signed: signature.Signed, ask: Ask) -> None:
        """Refuse what is correctly signed but stale, sent before, or signed with an AccessKey that is not active; its
        record says all the same what it was about."""
        try:
            access_key = self._admitted(batch, signed, ask)
        except KmsError:
            with suppress(KmsError, Unopenable):
                if ask.bound.operation is not None and ask.bound.request is not None:
                    self._call(ask.bound.operation, ask.bound.request, ask)
            raise
        batch.note_use(access_key, ask.now)

    def _admitted(self, batch: Batch, signed: signature.Signed, ask: Ask) -> AccessKey:
        """The AccessKey of a call. One on a later pass was in time, and holds its nonce, since its first."""
        attempt, caller = ask.attempt, ask.caller
        nonce = (signed.timestamp, signed.nonce)
        if attempt.nonce is None:
            signature.check_window(signed.timestamp, self.client_clock.now())
            if signed.timestamp <= self.store.nonces.horizon():
                raise TimestampExpired
            if nonce in self._reserved or not batch.use_nonce(*nonce):
                raise SignatureNonceUsed
            attempt.nonce = nonce
        elif not batch.use_nonce(*nonce):  # another server was first with it meanwhile
            raise SignatureNonceUsed
        access_key = self.store.accounts.access_key(caller.access_key_id)
        if access_key is None or not self._authorizer.active(access_key):
            raise AccessKeyInactive
        if signed.security_token:
            raise SecurityTokenUnsupported
        return access_key

    # --- what

    def _perform(self, ask: Ask) -> HttpResponse:
        if not ask.bound.dry_run:
            return self._run(ask, keep=True)
        try:
            self._run(ask, keep=False)
        except NoPermission as error:
            raise DryRunDenied(message=error.text) from None
        except KmsError as error:
            raise DryRunRefused(code=error.code, message=error.text) from None
        raise DryRunSucceeded

    def _run(self, ask: Ask, *, keep: bool) -> HttpResponse:
        caller, trace, bound = ask.caller, ask.trace, ask.bound
        if bound.refusal is not None:
            raise bound.refusal
        operation, request = bound.operation, bound.request
        assert operation is not None
        assert request is not None
        console = ask.asked.channel is Channel.CONSOLE
        try:
            call = self._call(operation, request, ask)
            self._door.admit(ask.session, operation, ask.now)
            self._authorizer.authorize(caller, operation, trace.needs, self._context(ask), console)
            self._door.confirmed(ask.session, operation, ask.now)
            if operation.gate is not None:
                for key in call.keys:
                    admit(operation.gate, key.at(ask.now).state)
                    if key.service and operation.changes and not operation.of_services:
                        raise ServiceKeyManaged
            if operation.use is not None:
                assert isinstance(call, KeyCall)
                require(operation.use, call.key)
            if isinstance(call, KeyCall) and call.promise is not None:
                return self._run_promised(ask, call, call.promise, keep=keep)
            if not operation.changes:
                return ask.answer(operation, operation.function(call, request))
            with self.store.savepoint() as undo:
                # Within the savepoint: an answer that XML cannot carry is a refusal, and has no effect.
                response = ask.answer(operation, operation.function(call, request))
                if not keep:
                    undo()
            return response
        except Unopenable:
            # One answer for every way in which a ciphertext does not open, so that it teaches nothing.
            raise InvalidParameter(name="CiphertextBlob") from None

    def _run_promised(self, ask: Ask, call: KeyCall, promise: Promise, *, keep: bool) -> HttpResponse:
        """Make the key of a service, and run the call that asks for it; both, or neither."""
        operation = ask.bound.operation
        assert operation is not None
        kept = False
        try:
            with self.store.savepoint() as undo:
                call.version = promise.make(self.store, self.vault)
                response = ask.answer(operation, operation.function(call, ask.bound.request))
                if not keep:
                    undo()
            kept = keep
        finally:
            if not kept:
                self.vault.forget((promise.version.version_id,))
        if keep:
            call.resources.append(key_arn(*promise.key.place))
            made = {"AliasName": promise.alias.name, "RequestId": ask.request_id}
            record_event(ask.batch, self.clock, self.entropy, promise.key, "CreateServiceKey", made)
        return response

    def _context(self, ask: Ask) -> Context:
        """The condition keys of a request, made where a statement of a policy asks for one."""
        now, mfa = self.client_clock.now(), ask.session is not None and ask.session.mfa
        return partial(request_context, self.store, ask.asked, ask.bound.request, now, mfa)

    def _call(self, operation: Operation, request: Request, ask: Ask) -> Call:
        """The call with the resources that the request names; their ARNs go to the trace."""
        account, region = ask.caller.account, ask.trace.region
        makes, context = self.entropy if self.service_keys else None, self._context(ask)

        def admits(need: Need) -> bool:
            return self._authorizer.of_key(ask.caller, need, context).allowed

        resolver = Resolver(self.store, account, region, ask.now, makes, admits, ask.caller.session)
        found = resolver.resolve(operation, request)
        ours = operation.for_operator_only or operation.product.for_console_only
        if operation.container or not (found.needs or operation.free or ours):
            container = operation.container_in(account, region, ask.caller.session)
            found.needs.append(Need(operation.action_on(), container, account))
        ask.trace.needs, ask.trace.resources = found.needs, found.resources
        if operation.uses:
            ask.trace.used = found.used()
        common: dict[str, Any] = {
            "caller": ask.caller,
            "attempt": ask.attempt,
            "account": account,
            "region": region,
            "home": self.home,
            "now": ask.now,
            "batch": ask.batch,
            "chains": self.chains,
            "store": self.store,
            "vault": self.vault,
            "entropy": self.entropy,
            "door": self._door,
            "tallies": self.tallies,
            "address": ask.asked.source,
            "session": ask.session,
            "keys": tuple(found.keys),
            "alias": found.alias,
            "resources": ask.trace.resources,
            "may": lambda need: self._authorizer.may(ask.caller, need, context),
        }
        if found.key is None or found.version is None:
            return Call(**common)
        common |= {"blob": found.blob, "source": found.source, "promise": found.promise}
        return KeyCall(**common, key=found.key, version=found.version)
