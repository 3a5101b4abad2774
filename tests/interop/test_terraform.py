"""What Terraform's provider for the vendor's cloud sends before and for a key, with the vendor's SDK; the provider itself
can't be installed from a registry that the tests reach. It asks the location service where KMS is unless a variable says
so, and calls it with forms."""

import sys

import pytest

from tests.live import keystead

PROVIDER = """
import json, os
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.endpoint.location_service_endpoint_resolver import LocationServiceEndpointResolver
from aliyunsdkcore.endpoint.resolver_endpoint_request import ResolveEndpointRequest
from aliyunsdkcore.request import CommonRequest

client = AcsClient(os.environ["ALICLOUD_ACCESS_KEY"], os.environ["ALICLOUD_SECRET_KEY"], os.environ["ALICLOUD_REGION"])

def call(domain, version, action, **parameters):
    request = CommonRequest(domain=domain, version=version, action_name=action)
    request.set_protocol_type("https")
    request.set_method("POST")
    for name, value in parameters.items():
        request.add_body_params(name, value)
    return json.loads(client.do_action_with_exception(request))

told = os.environ["ALIBABA_CLOUD_ENDPOINT_KMS"]
print(os.environ["ALIBABA_CLOUD_ACCOUNT_TYPE"], told)
for domain in ("location.aliyuncs.com", "location-readonly.aliyuncs.com", "location.cn-beijing.aliyuncs.com"):
    answer = call(domain, "2015-06-12", "DescribeEndpoints", Id="cn-beijing", ServiceCode="kms")
    (found,) = answer["Endpoints"]["Endpoint"]
    print(answer["Success"], found["Type"], found["SerivceCode"], found["Endpoint"])
resolver = LocationServiceEndpointResolver(client)
print(resolver.resolve(ResolveEndpointRequest("cn-beijing", "kms", "kms", "openAPI")))
for endpoint in (told, found["Endpoint"]):
    key = call(endpoint, "2016-01-20", "CreateKey", Description="made by Terraform")["KeyMetadata"]
    blob = call(endpoint, "2016-01-20", "Encrypt", KeyId=key["KeyId"], Plaintext="secret")["CiphertextBlob"]
    print(key["Arn"].split(":")[2], call(endpoint, "2016-01-20", "Decrypt", CiphertextBlob=blob)["Plaintext"])
try:
    call("location.aliyuncs.com", "2015-06-12", "DescribeEndpoints", Id="not a region!", ServiceCode="kms")
except ServerException as error:
    print(error.get_error_code())
"""


@pytest.mark.interop
def test_the_provider_finds_and_uses_kms() -> None:
    told = keystead("run", "--region", "cn-beijing", "--", sys.executable, "-W", "ignore", "-c", PROVIDER)
    assert told.stdout.splitlines() == [
        "Domestic kms.cn-beijing.aliyuncs.com",
        *["True openAPI kms kms.cn-beijing.aliyuncs.com"] * 3,
        "kms.cn-beijing.aliyuncs.com",
        *["cn-beijing secret"] * 2,
        "InvalidRegionId",
    ], told.stderr
