"""Putting a seed into a store: its keys, users and policies as they are in the file, each once, never over what is there."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from keystead.access.decisions import PolicyType
from keystead.access.system_policies import SYSTEM_POLICIES
from keystead.api.access_keys import make_access_key
from keystead.api.events import record_event
from keystead.api.pipeline import Pipeline
from keystead.api.ram_lookup import named
from keystead.crypto.vault import Vault
from keystead.domain.accounts import AccessKey, AccessKeyStatus
from keystead.domain.identities import Attachment, CustomPolicy, Group, Kind, Member, PolicyVersion, User
from keystead.domain.keys.algorithms import USAGES
from keystead.domain.keys.aliases import Alias, service_of
from keystead.domain.keys.key import DAY, Key, KeyFilter, KeyVersion, Origin, Wrapped
from keystead.domain.keys.lifecycle import Event, KeyState
from keystead.errors import OperatorError
from keystead.server.data.seed_file import (
    Seed,
    SeedAccessKey,
    SeedGroup,
    SeedKey,
    SeedUser,
    SeedVersion,
    material_of,
)
from keystead.store.ports import Store

_USERS = KeyFilter(creator_types=frozenset({"User"}))
_LONG = 100 * 365 * DAY  # a temporary AccessKey that lasts as long as any server in memory
_PENDING_DAYS = 30  # of a key that is seeded as pending deletion
# How a key gets into each state that it can be seeded in.
_SET: dict[KeyState, Callable[[Key, int], Key]] = {
    KeyState.ENABLED: lambda key, now: key,
    KeyState.DISABLED: lambda key, now: key.after(Event.DISABLE),
    KeyState.PENDING_DELETION: lambda key, now: key.scheduled(now + _PENDING_DAYS * DAY),
    KeyState.PENDING_IMPORT: lambda key, now: key.without_material(),
}


def seed_store(pipeline: Pipeline, seed: Seed, anyway: bool = False) -> None:
    """Put the seed into the store, except what an earlier start has put there.

    OperatorError if the store has keys of its own, unless told, is of another account, or has one of the seed's keys,
    AccessKeys, aliases or versions otherwise than the seed has it.
    """
    store, vault = pipeline.store, pipeline.vault
    now = int(pipeline.clock.now())
    store.begin(alone=True)
    try:
        if pipeline.home.account != seed.account:
            raise OperatorError(
                f"the seed is of account {seed.account}, this server of {pipeline.home.account}",
                hint="seed a new data directory",
            )
        if not anyway and _has_others(pipeline, seed):
            raise OperatorError(
                "this server has keys already", hint="seed a new data directory, or add --seed-anyway"
            )
        batch = pipeline.open_batch()
        for one in seed.key:
            key, versions = _key(seed, one, now, vault)
            there = store.keys.get(*key.place)
            if there is not None:
                _check_same(store, vault, there, key, versions)
                continue  # from an earlier start
            _check_free(store, key, versions, one.aliases)
            first, *others = (vault.keep_material(*version) for version in versions)
            store.keys.add(key, first, one.tags)
            for version in others:
                store.keys.add_version(version)
            for name in one.aliases:
                store.aliases.add(
                    Alias(
                        account=key.account,
                        region=key.region,
                        name=name,
                        key_id=key.key_id,
                        created=key.created,
                    )
                )
            record_event(batch, pipeline.clock, pipeline.entropy, key, "SeedKey")
        for access_key in seed.access_key:
            _add_access_key(store, vault, seed.account, access_key, now)
        _add_policies(store, seed, now)
        groups = {one.name: _add_group(store, seed, one, now) for one in seed.group}
        for user in seed.user:
            user_id = _add_user(store, seed, user, groups, now)
            for access_key in user.access_key:
                _add_access_key(store, vault, seed.account, access_key, now, user_id)
        batch.write()
        store.commit()
        pipeline.committed(batch)
    except BaseException:
        store.rollback()
        raise


def user_access_key(pipeline: Pipeline, name: str) -> tuple[str, str]:
    """A new AccessKey of a user, beside the two that it may have, in a store in memory that is not served yet.

    OperatorError if there is no such user.
    """
    store, account = pipeline.store, pipeline.home.account
    found = named(store, User, account, name)
    if found is None:
        raise OperatorError(
            f"this server has no RAM user {name!r}",
            hint="--seed FILE gives it users; --data DIR names a server with its own",
        )
    now = int(pipeline.clock.now())
    access_key, secret = make_access_key(
        pipeline.entropy,
        pipeline.vault,
        account,
        now,
        user_id=found.user_id,
        description="temporary",
        expires=now + _LONG,
    )
    store.begin(alone=True)
    store.accounts.add_access_key(access_key)
    store.commit()
    return access_key.access_key_id, secret


def _add_access_key(
    store: Store, vault: Vault, account: str, access_key: SeedAccessKey, now: int, user_id: str = ""
) -> None:
    known = store.accounts.access_key(access_key.id)
    if known is None:
        store.accounts.add_access_key(
            AccessKey(
                access_key_id=access_key.id,
                account=account,
                status=AccessKeyStatus.ACTIVE,
                created=now,
                secret=vault.keep_secret(account, access_key.id, access_key.secret),
                description="from the seed",
                user_id=user_id,
            )
        )
    elif (known.account, known.user_id) != (account, user_id):
        raise OperatorError(
            f"the AccessKey {access_key.id} of this server is not of the seed's user",
            hint="seed a new data directory",
        )
    elif not vault.has_secret(known, access_key.secret):
        raise OperatorError(
            f"the AccessKey {access_key.id} of this server has another secret than the seed's",
            hint="seed a new data directory",
        )


def _add_policies(store: Store, seed: Seed, now: int) -> None:
    for policy in seed.policy:
        if named(store, CustomPolicy, seed.account, policy.name) is None:
            made = CustomPolicy(
                account=seed.account,
                name=policy.name,
                created=now,
                updated=now,
                description=policy.description,
            )
            store.identities.add(made)
            store.identities.add(
                PolicyVersion(
                    account=seed.account,
                    policy=policy.name,
                    number=1,
                    document=policy.document,
                    created=now,
                )
            )
        elif policy.document not in [
            one.document for one in store.identities.versions(seed.account, policy.name)
        ]:
            raise OperatorError(
                f"the policy {policy.name} of this server is not the seed's: none of its versions has its document",
                hint="seed a new data directory",
            )


def _add_group(store: Store, seed: Seed, one: SeedGroup, now: int) -> str:
    """The id of a group, made unless an earlier start did."""
    if (known := named(store, Group, seed.account, one.name)) is not None:
        return known.group_id
    group = Group(
        account=seed.account,
        group_id=f"g-{_id(seed, f'group/{one.name}').hex[:16]}",
        name=one.name,
        created=now,
        updated=now,
        comments=one.comments,
    )
    store.identities.add(group)
    _attach(store, seed, Kind.GROUP, group.group_id, one.policies, now)
    return group.group_id


def _add_user(store: Store, seed: Seed, one: SeedUser, groups: Mapping[str, str], now: int) -> str:
    """The id of a user, made with what it is in and has unless an earlier start did."""
    if (known := named(store, User, seed.account, one.name)) is not None:
        return known.user_id
    user = User(
        account=seed.account,
        user_id=f"2{_id(seed, f'user/{one.name}').int % 10**17:017}",
        name=one.name,
        created=now,
        updated=now,
        display_name=one.display_name,
    )
    store.identities.add(user)
    for group in one.groups:
        store.identities.add(
            Member(account=seed.account, group_id=groups[group], user_id=user.user_id, joined=now)
        )
    _attach(store, seed, Kind.USER, user.user_id, one.policies, now)
    return user.user_id


def _attach(store: Store, seed: Seed, kind: Kind, holder: str, policies: list[str], now: int) -> None:
    for name in policies:
        policy_type = PolicyType.SYSTEM if name in SYSTEM_POLICIES else PolicyType.CUSTOM
        store.identities.add(
            Attachment(
                account=seed.account,
                kind=kind,
                holder=holder,
                policy_type=policy_type.value,
                policy=name,
                attached=now,
            )
        )


def _id(seed: Seed, name: str) -> uuid.UUID:
    """The same in any run."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{seed.account}/{name}")


def _check_same(
    store: Store, vault: Vault, there: Key, key: Key, versions: list[tuple[KeyVersion, bytes]]
) -> None:
    """OperatorError unless the key that is there is the seed's: what is under the seed's versions must open."""
    same = (there.spec, there.usage, there.origin) == (key.spec, key.usage, key.origin)
    for version, material in versions:
        found = store.keys.version(version.account, version.version_id)
        if found is None or (found.key_id, found.number) != (key.key_id, version.number):
            same = False
        elif material and not there.absent:
            # What was deleted since, or is still to come, is no other material.
            same = same and vault.has_material(found, material)
    if not same:
        raise OperatorError(
            f"the key {key.key_id} of this server is not the seed's: it has another spec, version or material",
            hint="seed a new data directory",
        )


def _check_free(store: Store, key: Key, versions: list[tuple[KeyVersion, bytes]], names: list[str]) -> None:
    """OperatorError if a name or version of a new key is another key's."""
    for name in names:
        if store.aliases.get(key.account, key.region, name) is not None:
            raise OperatorError(
                f"the seed's key {key.key_id} cannot have the alias {name}: another key of this server has it",
                # The alias of a service's key is nobody's to delete.
                hint="seed a new data directory"
                + ("" if service_of(name) else ", or delete that alias first"),
            )
    for version, _ in versions:
        if store.keys.has_version(version.version_id):
            raise OperatorError(
                f"the seed's key {key.key_id} cannot have the version {version.version_id}: another key has it",
                hint="seed a new data directory",
            )


def _has_others(pipeline: Pipeline, seed: Seed) -> bool:
    """Whether a region of the seed has keys that the seed does not name."""
    keys, account = pipeline.store.keys, pipeline.home.account
    for region in {one.region or seed.region for one in seed.key}:
        named = [one.id for one in seed.key if (one.region or seed.region) == region]
        there = sum(keys.get(account, region, key_id) is not None for key_id in named)
        # Keys of services came by themselves.
        if keys.page(account, region, _USERS, 0, 1).total > there:
            return True
    return False


def _seconds(time: datetime) -> int:
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _key(seed: Seed, one: SeedKey, now: int, vault: Vault) -> tuple[Key, list[tuple[KeyVersion, bytes]]]:
    usage = one.usage or USAGES[one.spec][0]
    versions = [
        (
            KeyVersion(
                account=seed.account,
                region=one.region or seed.region,
                key_id=one.id,
                version_id=version.id,
                number=number,
                spec=one.spec,
                usage=usage,
                origin=one.origin,
                created=_seconds(version.created),
                material=Wrapped(0, b""),
            ),
            material_of(one, version),
        )
        for number, version in enumerate(one.version or [_waiting(seed, one)], 1)
    ]
    first, last = versions[0][0], versions[-1][0]
    key = first.new_key(one.description).rotated_to(last)
    if one.origin is Origin.EXTERNAL and versions[-1][1]:
        check = vault.make_check(key, versions[-1][1])
        key = msgspec.structs.replace(key, check=check)
    key = msgspec.structs.replace(key, policy=one.policy)
    return _SET[one.state](key, now), versions


def _waiting(seed: Seed, one: SeedKey) -> SeedVersion:
    """The version of a key that waits for its material: its id is the same in any run."""
    elsewhere = one.region not in ("", seed.region)
    place = f"{one.region}/{one.id}" if elsewhere else one.id
    return SeedVersion(id=str(uuid.uuid5(uuid.NAMESPACE_OID, place)))
