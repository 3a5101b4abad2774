"""Server: how it is, for the owner of the account that it was made with."""

from keystead import __version__
from keystead.api.operation import Call, operation
from keystead.api.wire_types import Reply, Request
from keystead.clock import iso8601
from keystead.domain.authorities import serving
from keystead.domain.products import CONSOLE
from keystead.errors import NoPermission


class DescribeServerRequest(Request, frozen=True):
    pass


class ShownSetting(Reply, frozen=True):
    name: str
    value: str  # JSON
    source: str


class ShownSettings(Reply, frozen=True):
    setting: list[ShownSetting]


class Problems(Reply, frozen=True):
    problem: list[str]


class DescribeServerReply(Reply, frozen=True):
    """The server. A date that it does not have is empty, a size that is not known 0."""

    version: str
    start_date: str
    uptime_seconds: int
    region: str
    account_id: str
    url: str
    ops_url: str
    proxy_url: str
    settings: ShownSettings
    certificate_expire_date: str
    authority_expire_date: str
    database_bytes: int
    wal_bytes: int
    free_bytes: int
    front_process: str
    problems: Problems


def _date(second: int) -> str:
    return iso8601(second) if second else ""


@operation(product=CONSOLE, container="*", permission="keystead:DescribeServer", errors=(NoPermission,))
def describe_server(call: Call, request: DescribeServerRequest) -> DescribeServerReply:
    """Show how the server is, its settings and where they come from."""
    if not call.owns_server:
        raise NoPermission(about=" It is for the owner of the server's own account.", detail=None)
    facts = call.home.describe()
    authorities = serving(call.store.authorities.all(), call.now) if facts.own_authority else ()
    return DescribeServerReply(
        version=__version__,
        start_date=_date(facts.started),
        uptime_seconds=max(call.now - facts.started, 0) if facts.started else 0,
        region=call.home.region,
        account_id=call.home.account,
        url=facts.url,
        ops_url=facts.ops_url,
        proxy_url=facts.proxy_url,
        settings=ShownSettings(
            setting=[
                ShownSetting(name=one.name, value=one.value, source=one.source) for one in facts.settings
            ]
        ),
        certificate_expire_date=_date(facts.certificate_expires),
        authority_expire_date=_date(min((one.expires for one in authorities), default=0)),
        database_bytes=facts.database,
        wal_bytes=facts.wal,
        free_bytes=facts.free,
        front_process=facts.front,
        problems=Problems(problem=list(facts.problems)),
    )
