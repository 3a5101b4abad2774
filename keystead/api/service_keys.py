"""Keys of the vendor's services: made by the first call that names them, as `alias/acs/CODE`.

With the vendor such a service has made its key before any client asks; so the key is there for whichever call comes first.

A promise is such a key before it is made: it is authorized and admitted like any other, and made only when its call runs.
"""

from typing import NamedTuple

from keystead.crypto.vault import Vault
from keystead.domain.keys.aliases import Alias, service_of
from keystead.domain.keys.key import Key, KeySpec, KeyUsage, KeyVersion, Origin, Wrapped
from keystead.entropy import Entropy, uuid4
from keystead.store.ports import Store


class Promise(NamedTuple):
    """The key of a service, its version without material yet, and its alias."""

    key: Key
    version: KeyVersion
    alias: Alias

    def make(self, store: Store, vault: Vault) -> KeyVersion:
        """Put the key into the store; its version, with material."""
        version = vault.make_material(self.version)
        store.keys.add(self.key, version, {})
        store.aliases.add(self.alias)
        return version


def promise(account: str, region: str, name: str, now: int, entropy: Entropy) -> Promise | None:
    """The key that the alias will be of; None if no service has this alias."""
    service = service_of(name)
    if not service:
        return None
    version = KeyVersion(
        account=account,
        region=region,
        key_id=uuid4(entropy),
        version_id=uuid4(entropy),
        number=1,
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.ALIYUN_KMS,
        created=now,
        material=Wrapped(0, b""),
    )
    alias = Alias(account=account, region=region, name=name, key_id=version.key_id, created=now)
    return Promise(version.new_key("", service), version, alias)
