"""What recorded calls needed, from their records: the catalogue says which actions, the record on which resources.

A record names first what its call needed to be allowed, in the order in which the pipeline finds it; then what it made.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from keystead.access import conditions
from keystead.access.callers import CallerType
from keystead.access.explanation import Asker, Case, case_of, reason
from keystead.api.authorization import condition_keys, encryption_context_of
from keystead.api.bind import text_of
from keystead.api.catalogue import CATALOGUE, Operation
from keystead.api.needs import Need
from keystead.api.parameters import Role
from keystead.api.questions import asked_of
from keystead.domain.arns import parse
from keystead.domain.audit import Kind, Record
from keystead.domain.keys.aliases import service_of
from keystead.errors import DryRunDenied, DryRunSucceeded, KmsError, NoPermission, RamNoPermission
from keystead.store.ports import Holdings

SUCCEEDED = frozenset({"", DryRunSucceeded.code})
REFUSED = frozenset({NoPermission.code, RamNoPermission.code, DryRunDenied.code})


class Past(NamedTuple):
    """A recorded call that policies had a say in, and what it needed; nothing: everybody may do it."""

    operation: Operation
    needs: list[Need]


class Change(NamedTuple):
    """What recorded calls needed that other policies decide otherwise: how often, the last time in milliseconds since 1970,
    and what settles it then."""

    action: str
    resource: str
    user: str  # a user id
    calls: int
    last: int
    reason: str


class Comparison(msgspec.Struct, kw_only=True):
    """What recorded calls of some users would meet with other policies than theirs."""

    calls: int = 0  # those that were compared
    refused: list[Change] = []  # they succeeded, and would be refused
    allowed: list[Change] = []  # they were refused, and would not be
    refused_anyway: int = 0  # they succeeded, and would be refused as things are, too
    unknown: int = 0  # their records do not say what they needed


class Unknown(Exception):
    """A record that does not say what its call needed."""


def past(store: Holdings, record: Record) -> Past | None:
    """What a recorded call needed, with the keys as they are now; None for what no policy had a say in. Unknown if the
    record does not say it, as those of operations that there are no more."""
    callers = (CallerType.ROOT, CallerType.RAM_USER)
    if record.kind not in (Kind.API_CALL, Kind.CONSOLE_OPERATION) or record.caller_type not in callers:
        return None
    operation = CATALOGUE.find(record.version, record.action)
    if operation is None:
        raise Unknown
    if operation.for_operator_only or operation.of_session:
        return None
    return Past(operation, _Reading(store, operation, record).needs)


class _Reading:
    """A record's resources, as they are taken for what the fields of its operation named."""

    def __init__(self, store: Holdings, operation: Operation, record: Record) -> None:
        self._store = store
        self._operation = operation
        try:
            self._left = msgspec.json.decode(record.resources, type=list[str])
        except msgspec.DecodeError:  # it was altered
            raise Unknown from None
        self.needs: list[Need] = []
        for field in operation.roles:
            self._take(field.param.role, record.account)
        if operation.container or not (self.needs or operation.free):
            container = operation.container_in(record.account, record.region, record.session)
            self.needs.append(Need(operation.action_on(), container, record.account))

    def _take(self, role: Role | None, account: str) -> None:
        match role:
            case Role.KEY:
                if not self._has_key:  # two fields may name it
                    self._take_key(Role.KEY)
            case Role.KEYS:
                while self._is_next("key"):
                    self._take_key(Role.KEYS)
            case Role.BLOB | Role.SOURCE:
                self._take_key(role)
            case Role.ALIAS | Role.NEW_ALIAS:
                has_key = self._has_key
                self.needs.append(Need(self._operation.action_on(Role.ALIAS), self._next("alias"), account))
                if role is Role.ALIAS and not has_key:
                    self._take_key(Role.ALIAS)
            case Role.USER | Role.GROUP | Role.POLICY | Role.MFA:
                self.needs.append(Need(self._operation.action_on(role), self._next(role.value), account))
            case _:  # a version of that key, or what says which key is the source
                pass

    @property
    def _has_key(self) -> bool:
        return any(":key/" in need.resource for need in self.needs)

    def _is_next(self, *kinds: str) -> bool:
        return bool(self._left) and _kind_of(self._left[0]) in kinds

    def _next(self, *kinds: str) -> str:
        if not self._is_next(*kinds):
            raise Unknown
        return self._left.pop(0)

    def _take_key(self, role: Role) -> None:
        arn = self._next("key", "alias")
        place = parse(arn)
        if place is None or (_kind_of(arn) == "alias" and not service_of(place.resource)):
            raise Unknown
        if service_of(place.resource):
            # The key of a service, which this call made or would have made: one that was made is named last.
            made = bool(self._left) and _kind_of(self._left[-1]) == "key"
            arn = self._left.pop() if made else str(msgspec.structs.replace(place, resource="key/*"))
        key_id = arn.rpartition("/")[2]
        key = self._store.keys.get(place.account, place.region, key_id)
        need = Need(self._operation.action_on(role), arn, place.account, key, self._operation.uses)
        self.needs.append(need)


def _kind_of(arn: str) -> str:
    """`key` of `acs:kms:REGION:ACCOUNT:key/ID`; "" for what contains them all."""
    kind, slash, _ = arn.rpartition(":")[2].partition("/")
    return kind if slash else ""


def past_context(store: Holdings, record: Record, operation: Operation, need: Need) -> conditions.Context:
    """The condition keys that a recorded call had, as to one of the things that it needed. The tags are those that the key
    has now."""
    attribute = encryption_context_of(need)
    try:
        parameters = msgspec.json.decode(record.parameters, type=dict[str, str])
    except msgspec.DecodeError:  # it was altered
        parameters = {}
    bound_to: dict[str, str] = {}
    for field in operation.fields:
        text = text_of(field, parameters) if field.attribute == attribute else None
        if text is not None:
            try:
                bound_to = field.param.parse(field.name, text)
            except KmsError:  # it was cut off in the record
                bound_to = {}
    return condition_keys(
        store,
        need,
        record.time / 1000,
        tls=bool(record.tls),
        source=record.source,
        mfa=False,  # no record says it
        bound_to=bound_to,
    )


def compare(
    store: Holdings,
    records: Iterable[Record],
    before: Mapping[str, Asker],
    after: Mapping[str, Asker],
) -> Comparison:
    """Replay the calls of the users that are named, by id, in both: with the policies before, and with those after."""
    found = Comparison()
    tried = _Cases(store, before, after)
    refused: dict[_About, Change] = {}
    allowed: dict[_About, Change] = {}
    for record in records:
        user = record.principal
        if record.caller_type != CallerType.RAM_USER or user not in after:
            continue
        if record.code not in SUCCEEDED | REFUSED:
            continue
        try:
            call = past(store, record)
        except Unknown:
            found.unknown += 1
            continue
        if call is None:
            continue
        found.calls += 1
        answers = [tried.answer(record, call.operation, need) for need in call.needs]
        if record.code in SUCCEEDED:
            changed = [one for one in answers if one.before and not one.after]
            found.refused_anyway += any(not one.before for one in answers)
            into = refused
        else:
            may = all(one.after for one in answers)
            changed = [one for one in answers if not one.before] if may else []
            into = allowed
        for one in changed:
            old = into.get(one.about)
            calls = 1 if old is None else old.calls + 1
            into[one.about] = Change(*one.about[1:], one.about[0], calls, record.time, one.reason)
    found.refused, found.allowed = sorted(refused.values()), sorted(allowed.values())
    return found


_About = tuple[str, str, str]  # a user id, an action, a resource


class _Answer(NamedTuple):
    """Whether one of the things that a call needed is allowed before and after, and what settles it after."""

    about: _About
    before: bool
    after: bool
    reason: str


class _Cases:
    """What users need, as it is decided before and after: policies are searched once for each thing."""

    def __init__(self, store: Holdings, before: Mapping[str, Asker], after: Mapping[str, Asker]) -> None:
        self._store = store
        self._before = before
        self._after = after
        self._cases: dict[_About, tuple[Case, Case]] = {}
        self._settled: dict[_About, _Answer] = {}  # whatever the conditions

    def answer(self, record: Record, operation: Operation, need: Need) -> _Answer:
        about = (record.principal, need.action, need.resource)
        if about in self._settled:
            return self._settled[about]
        cases = self._cases.get(about)
        if cases is None:
            asked = asked_of(need)
            sides = (self._before[record.principal], self._after[record.principal])
            cases = self._cases[about] = (case_of(sides[0], asked), case_of(sides[1], asked))
        before, after = cases
        context = past_context(self._store, record, operation, need)
        answer = _Answer(
            about, before.decision(context).allowed, after.decision(context).allowed, reason(after, context)
        )
        if not (before.conditional or after.conditional):
            self._settled[about] = answer
        return answer
