import json
import re
import sys
import time
from typing import Any

import pytest

from keystead.access.decisions import Policy, PolicyType, decide, identity_grounds, key_grounds
from keystead.access.documents import (
    MAXIMUM_CHARACTERS,
    MAXIMUM_KEY_BYTES,
    Effect,
    Malformed,
    identity_document,
    key_document,
)

KEY = "acs:kms:cn-hangzhou:1000000000000001:key/k"
WHO = {"RAM": "acs:ram::1000000000000001:user/alice"}


def text(*statements: object, **more: object) -> str:
    return json.dumps({"Version": "1", "Statement": statements, **more})


def statement(without: str = "", /, **changes: Any) -> dict[str, object]:
    found = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", **changes}
    return {name: value for name, value in found.items() if name != without}


def of_key(without: str = "", /, **changes: Any) -> dict[str, object]:
    return statement(without, **{"Principal": WHO, **changes})


def under(**operators: object) -> str:
    return text(statement(Condition=operators))


# --- what is taken


def test_a_document_is_its_statements() -> None:
    first, second = identity_document(
        text(
            statement(
                Action=["kms:Encrypt", "KMS:gen*"], Condition={"Bool": {"acs:SecureTransport": ["true"]}}
            ),
            {"Effect": "Deny", "NotAction": "*", "NotResource": ["acs:kms:*:*:alias/*", KEY]},
        )
    )
    assert (first.number, first.sid, first.effect, first.principals) == (0, "", Effect.ALLOW, None)
    assert first.actions.texts == ("kms:Encrypt", "KMS:gen*")
    assert (first.other_actions, first.other_resources) == (False, False)
    assert [(one.operator, one.key, one.values) for one in first.conditions] == [
        ("Bool", "acs:SecureTransport", ("true",))
    ]
    assert first.about("kms:GenerateDataKey", KEY)
    assert not first.about("kms:Decrypt", KEY)
    assert first.met({"acs:SecureTransport": "true"})
    assert not first.met({})
    assert (second.number, second.effect, second.conditions) == (1, Effect.DENY, ())
    assert (second.other_actions, second.other_resources) == (True, True)
    assert second.resources.texts == ("acs:kms:*:*:alias/*", KEY)
    assert not second.about("kms:Encrypt", KEY)
    assert second.met({})


def test_a_document_of_a_key_says_who() -> None:
    several = [
        "acs:ram::1:root",
        "acs:ram::2*:*",
        "acs:ram::3:user/a*",
        "acs:ram::4:role/r",
        "acs:ram::*:user/x@y.z",
    ]
    made = key_document(text(of_key(Sid="what it is for 1", Principal={"RAM": several}, Resource=["*"])))
    (one,) = made
    assert one.sid == "what it is for 1"
    assert one.principals is not None
    assert one.principals.texts == tuple(several)
    assert [one.principals.has_account(account) for account in ("1", "2", "29", "3", "")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    named = ["3:user/ab", "3:user/b", "4:role/r", "4:user/r", "9:user/x@y.z", "1:root", "1:user/a"]
    assert [one.principals.has_name(f"acs:ram::{name}") for name in named] == [
        True, False, True, False, True, False, False,
    ]  # fmt: skip
    (silent,) = key_document(text(of_key("Action", NotAction="kms:Decrypt")))
    assert (silent.sid, silent.other_actions) == ("", True)


# --- what is refused, and where

MALFORMED = [
    ("", "it is not JSON at line 1, column 1"),
    ('\ufeff{"Version": "1"}', "it begins with a byte order mark: save it as UTF-8 without one"),
    ('{"Version": "1",\n "Statement": [}', "it is not JSON at line 2, column 16"),
    ('{"Version": "1"} x', "it is not JSON at line 1, column 18"),
    ("{'Version': '1'}", "it is not JSON at line 1, column 2"),
    ("NaN", "NaN is not JSON"),
    ('{"Version": -Infinity}', "-Infinity is not JSON"),
    ("null", 'it must be an object: {"Version": "1", "Statement": […]}'),
    ("[]", "it must be an object"),
    ('"*"', "it must be an object"),
    ("[" * 2000, "it is nested too deeply"),
    ("1" * 2048, "it must be an object"),
    ("{}", "has no Statement"),
    ('{"Version": "1"}', "has no Statement"),
    ('{"Statement": []}', "has no Version"),
    ('{"Version": "1", "Version": "1", "Statement": []}', "the member Version stands twice in one object"),
    (text(statement(), Id="x"), "Id: there is no such member here; there are Statement, Version"),
    ('{"version": "1", "Statement": []}', "version: there is no such member"),
    ('{"Version": "2", "Statement": []}', 'Version: must be "1"'),
    ('{"Version": 1, "Statement": []}', 'Version: must be "1"'),
    ('{"Version": "1", "Statement": {}}', "Statement: must be a list of statements, even of one: [{…}]"),
    ('{"Version": "1", "Statement": []}', "Statement: must be a list of at least one statement"),
    ('{"Version": "1", "Statement": "*"}', "Statement: must be a list of at least one statement"),
    (text("*"), "Statement[0]: must be an object"),
    (text(statement(), []), "Statement[1]: must be an object"),
    (text(statement(effect="Allow")), "Statement[0].effect: there is no such member here; there are Action, Condition, "),
    (text(statement(Sid="x")), "Statement[0].Sid: there is no such member here"),
    (text(statement(Principal=WHO)), "Statement[0].Principal: there is no such member here"),
    (text(statement("Effect")), "Statement[0]: has no Effect"),
    (text(statement(Effect="allow")), "Statement[0].Effect: must be Allow or Deny"),
    (text(statement(Effect=["Allow"])), "Statement[0].Effect: must be Allow or Deny"),
    (text(statement(Effect=None)), "Statement[0].Effect: must be Allow or Deny"),
    (text(statement("Action")), "Statement[0]: must have Action or NotAction, and not both"),
    (text(statement(NotAction="kms:*")), "Statement[0]: must have Action or NotAction, and not both"),
    (text(statement(Action=[])), "Statement[0].Action: must not be empty"),
    (text(statement(Action=1)), "Statement[0].Action: must be a text or a list of texts, each in double quotation marks"),
    (text(statement(Action=["kms:Encrypt", None])), "Statement[0].Action: must be a text or a list of texts"),
    (text(statement(Action=[["kms:Encrypt"]])), "Statement[0].Action: must be a text or a list of texts"),
    (text(statement(Action={"kms": "Encrypt"})), "Statement[0].Action: must be a text or a list of texts"),
    (text(statement(Action="")), 'Statement[0].Action: "" must be a service and an operation, like kms:Encrypt, '),
    (text(statement(Action="Encrypt")), 'Statement[0].Action: "Encrypt" must be a service and an operation'),
    (text(statement(Action="kms:")), 'Statement[0].Action: "kms:" must be'),
    (text(statement(Action=":Encrypt")), 'Statement[0].Action: ":Encrypt" must be'),
    (text(statement(Action="kms:En crypt")), 'Statement[0].Action: "kms:En crypt" must be'),
    (text(statement(Action="kms:密")), 'Statement[0].Action: "kms:密" must be'),
    (text(statement(Action="kms:Encrypt\n")), 'Statement[0].Action: "kms:Encrypt\\n" must be'),
    (text(statement(Action="kms:" + "x" * 129)), f'Statement[0].Action: "kms:{"x" * 76}" must be'),
    (text(statement(), statement("Action", NotAction=["kms:*", "**"])), 'Statement[1].NotAction: "**" must be'),
    (text(statement("Resource")), "Statement[0]: must have Resource or NotResource, and not both"),
    (text(statement(NotResource="*")), "Statement[0]: must have Resource or NotResource, and not both"),
    (text(statement(Resource=[])), "Statement[0].Resource: must not be empty"),
    (text(statement(Resource=True)), "Statement[0].Resource: must be a text or a list of texts"),
    (text(statement(Resource="")), 'Statement[0].Resource: "" must be acs:SERVICE:REGION:ACCOUNT:RESOURCE, like '),
    (text(statement(Resource="key/k")), 'Statement[0].Resource: "key/k" must be acs:SERVICE'),
    (text(statement(Resource="acs:kms:*:*")), 'Statement[0].Resource: "acs:kms:*:*" must be'),
    (text(statement(Resource="acs:kms:*:*:")), 'Statement[0].Resource: "acs:kms:*:*:" must be'),
    (text(statement(Resource="acs::*:*:key/k")), 'Statement[0].Resource: "acs::*:*:key/k" must be'),
    (text(statement(Resource="arn:kms:*:*:key/k")), 'Statement[0].Resource: "arn:kms:*:*:key/k" must be'),
    (text(statement("Resource", NotResource=["*", "k"])), 'Statement[0].NotResource: "k" must be'),
    (text(statement(Condition=[])), 'Statement[0].Condition: must be an object: {"IpAddress": {'),
    (text(statement(Condition=None)), "Statement[0].Condition: must be an object"),
    (under(Bool="true"), "Statement[0].Condition.Bool: must be an object of condition keys and their values"),
    (under(Bool={}), "Statement[0].Condition.Bool: must be an object"),
    (under(Bool={"acs:SecureTransport": True}), "Statement[0].Condition.Bool.acs:SecureTransport: must be a text or "),
    (under(Bool={"acs:SecureTransport": []}), "Statement[0].Condition.Bool.acs:SecureTransport: must not be empty"),
    (under(NumericEquals={"kms:tag/n": 1}), "Statement[0].Condition.NumericEquals.kms:tag/n: must be a text or a list"),
    (under(NumericEquals={"kms:tag/n": ["1", "x"]}), "Statement[0].Condition.NumericEquals.kms:tag/n: NumericEquals needs"),
    (under(IpAdress={"acs:SourceIp": "::1"}), "Statement[0].Condition.IpAdress.acs:SourceIp: there is no operator IpA"),
    (under(Bool={"acs:MFAPresent": "true"}, StringLike={"acs:Source": "x"}), "Statement[0].Condition.StringLike.acs:Source: "),
    (under(Bool={"acs:MFAPresent": "true", "x": "false"}).replace('"x"', '"acs:MFAPresent"'), "the member acs:MFAPresent st"),
    # Letters that no answer can carry are shown by their numbers.
    (text(statement(**{"\ud800\n\ufffe": 1})), "Statement[0].\\ud800\\u000a\\ufffe: there is no such member"),
    (text(statement(Resource="\udfff")), 'Statement[0].Resource: "\\udfff" must be'),
    (text(statement(**{"x" * 900: 1})), f"Statement[0].{'x' * 146}…: there is no such member"),
]  # fmt: skip
MALFORMED_OF_KEY = [
    (text(statement()), "Statement[0]: has no Principal"),
    (text(of_key(NotPrincipal=WHO)), "Statement[0].NotPrincipal: there is no such member here"),
    (text(of_key(Principal=None)), 'Statement[0].Principal: must be {"RAM": […]}'),
    (text(of_key(Principal="*")), 'Statement[0].Principal: must be {"RAM": […]}'),
    (text(of_key(Principal={})), 'Statement[0].Principal: must be {"RAM": […]}'),
    (text(of_key(Principal={"Service": "x"})), 'Statement[0].Principal: must be {"RAM": […]}'),
    (text(of_key(Principal={**WHO, "Service": "x"})), 'Statement[0].Principal: must be {"RAM": […]}'),
    (text(of_key(Principal={"RAM": []})), "Statement[0].Principal.RAM: must not be empty"),
    (text(of_key(Principal={"RAM": 1})), "Statement[0].Principal.RAM: must be a text or a list of texts"),
    (text(of_key(Principal={"RAM": "*"})), 'Statement[0].Principal.RAM: "*" must be acs:ram::ACCOUNT:root, '),
    (text(of_key(Principal={"RAM": "acs:ram::x:root"})), 'Statement[0].Principal.RAM: "acs:ram::x:root" must be'),
    (text(of_key(Principal={"RAM": ["acs:ram::1:user/a", "acs:ram::1:user/"]})),
     'Statement[0].Principal.RAM: "acs:ram::1:user/" must be'),
    (text(of_key(Principal={"RAM": "acs:ram::1:group/g"})), 'Statement[0].Principal.RAM: "acs:ram::1:group/g" must be'),
    (text(of_key(Principal={"RAM": f"acs:ram::{'1' * 21}:root"})), "Statement[0].Principal.RAM: "),
    (text(of_key("Resource")), "Statement[0]: must have Resource or NotResource, and not both"),
    (text(of_key("Resource", NotResource="*")), "Statement[0].NotResource: there is no such member here"),
    (text(of_key(Resource=KEY)), 'Statement[0].Resource: must be ["*"]: the policy is about the key that it is att'),
    (text(of_key(Resource=["*", "*"])), 'Statement[0].Resource: must be ["*"]'),
    (text(of_key(Action="ecs:*")), 'Statement[0].Action: "ecs:*" must be an operation of kms, like kms:Encrypt, '),
    (text(of_key("Action", NotAction=["*:*"])), 'Statement[0].NotAction: "*:*" must be an operation of kms'),
    (text(of_key(Sid="")), "Statement[0].Sid: must have 1 to 128 letters, digits, spaces and _ / + = . @ -"),
    (text(of_key(Sid="x" * 129)), "Statement[0].Sid: must have 1 to 128"),
    (text(of_key(Sid="é")), "Statement[0].Sid: must have 1 to 128"),
    (text(of_key(Sid=None)), "Statement[0].Sid: must have 1 to 128"),
    ("[" * 32_000, "it is nested too deeply"),
    (f'{{"Version": {"1" * 5000}}}', "it has a number that is too long"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "message"), MALFORMED, ids=lambda value: value[:60])
def test_what_is_no_policy_is_refused_with_its_place(document: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        identity_document(document)
    assert str(refused.value).startswith(message)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(("document", "message"), MALFORMED_OF_KEY, ids=lambda value: value[:60])
def test_what_is_no_policy_of_a_key_is_refused_with_its_place(document: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        key_document(document)
    assert str(refused.value).startswith(message)


# --- limits


def test_a_policy_has_2_048_characters_at_most() -> None:
    for letter in ("a", "密", "\U0001f511"):
        document = text(statement(Resource="acs:kms:*:*:alias/NAME")).replace(
            "NAME", letter * (MAXIMUM_CHARACTERS - len(text(statement(Resource="acs:kms:*:*:alias/"))))
        )
        assert len(document) == MAXIMUM_CHARACTERS
        assert len(identity_document(document)) == 1
        with pytest.raises(Malformed, match=r"at most 2,048 characters, and this one 2,049"):
            identity_document(document + " ")


def test_a_policy_of_a_key_has_32_768_bytes_at_most() -> None:
    document = text(of_key(Condition={"StringEquals": {"kms:tag/a": "VALUE"}}))
    for letter in ("a", "密"):
        room = MAXIMUM_KEY_BYTES - len(document) + len("VALUE")
        size = len(letter.encode())
        filled = document.replace("VALUE", letter * (room // size)) + " " * (room % size)
        assert len(filled.encode()) == MAXIMUM_KEY_BYTES
        assert len(key_document(filled)) == 1
        with pytest.raises(Malformed, match=r"at most 32,768 bytes, and this one 32,769"):
            key_document(filled + " ")
    with pytest.raises(Malformed, match=r"JSON"):
        key_document("\ud800")


@pytest.mark.parametrize(
    ("form", "most"),
    [("kms:{}", 128), ("{}:Encrypt", 64)],
)
def test_names_in_actions_have_limits(form: str, most: int) -> None:
    assert identity_document(text(statement(Action=form.format("x" * most))))
    with pytest.raises(Malformed, match=r"^Statement\[0\].Action: "):
        identity_document(text(statement(Action=form.format("x" * (most + 1)))))


def test_names_of_principals_and_sids_have_limits() -> None:
    for number, taken in ((128, True), (129, False)):
        changes: dict[str, Any]
        for changes in ({"Principal": {"RAM": f"acs:ram::1:user/{'x' * number}"}}, {"Sid": "x" * number}):
            if taken:
                assert key_document(text(of_key(**changes)))
            else:
                with pytest.raises(Malformed):
                    key_document(text(of_key(**changes)))


# --- documents that are built to be slow

LONGEST = "acs:kms:cn-hangzhou:1000000000000001:alias/" + "a" * 255
CONTEXT = {"kms:tag/a": "a" * 128, "kms:EncryptionContext/a": "a" * 256, "acs:SourceIp": "192.0.2.1"}


def stuffed(form: str, piece: str, room: int = MAXIMUM_CHARACTERS) -> str:
    """A document with as many pieces as there is room for, in place of FILL."""
    one = len(form) - len("FILL")
    return form.replace("FILL", ",".join([piece] * ((room - one) // (len(piece) + 1))))


def filled(form: str, piece: str, end: str = "") -> str:
    """A document with one text of so many pieces and an end."""
    return form.replace("FILL", piece * ((MAXIMUM_CHARACTERS - len(form) - len(end)) // len(piece)) + end)


RESOURCES = '{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":[FILL]}]}'
RESOURCE = '{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"acs:kms:*:FILL"}]}'
ACTIONS = '{"Version":"1","Statement":[{"Effect":"Deny","Action":[FILL],"Resource":"*"}]}'
STATEMENTS = '{"Version":"1","Statement":[FILL]}'
LIKE = '{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"KEY":"FILL"}}}]}'
LIKES = LIKE.replace('"FILL"', "[FILL]")
SLOW = {
    "stars": filled(RESOURCE, "*a", "b:*"),
    "stars and question marks": filled(RESOURCE, "*a?a", "b:*"),
    "question marks": filled(RESOURCE, "*?", ":x"),
    "one long text": filled(RESOURCE, "a", "b:*b"),
    "alternatives of stars": stuffed(RESOURCES, '"acs:*:*:*:*a*a*b"'),
    "alternatives that share most of the resource": stuffed(RESOURCES, f'"acs:*:*:*:*{"a" * 200}b"'),
    "alternatives of a long middle": stuffed(RESOURCES, f'"acs:*:*:*:*{"a" * 100}b*"'),
    "actions": stuffed(ACTIONS, '"*:*?*b"'),
    "statements": stuffed(STATEMENTS, '{"Effect":"Deny","Action":"*:*b","Resource":"acs:*:*:*:*ab"}'),
    "statements that are about everything": stuffed(STATEMENTS, '{"Effect":"Allow","Action":"*","Resource":"*","Condition":'
                                                    '{"StringLike":{"kms:tag/a":"*b"}}}'),
    "a tag with stars": filled(LIKE.replace("KEY", "kms:tag/a"), "*a?", "b"),
    "a tag with alternatives": stuffed(LIKES.replace("KEY", "kms:tag/a"), '"*?b"'),
    "an encryption context with alternatives": stuffed(LIKES.replace("KEY", "kms:EncryptionContext/a"), f'"*{"a" * 60}b"'),
    "an encryption context with many alternatives": stuffed(
        LIKES.replace("KEY", "kms:EncryptionContext/a"), '"*?a?b*"'
    ),
    "an encryption context with stars": filled(
        LIKE.replace("KEY", "kms:EncryptionContext/a"), "*a" * 126 + "b", ""
    ),
    "different middles": LIKES.replace("KEY", "kms:EncryptionContext/a").replace(
        "FILL", ",".join(f'"*{"a" * number}b*"' for number in range(10, 58))
    ),
    "different middles with question marks": LIKES.replace("KEY", "kms:EncryptionContext/a").replace(
        "FILL", ",".join(f'"*{"a?" * number}b*"' for number in range(2, 39))
    ),
    "a late end": filled(LIKE.replace("KEY", "kms:EncryptionContext/a"), "*a", "*b*"),
    "middles of resources": RESOURCES.replace(
        "FILL", ",".join(f'"acs:*:*:*:*{"a" * number}b*"' for number in range(20, 55))
    ),
    "networks": stuffed(
        LIKES.replace("StringLike", "IpAddress").replace("KEY", "acs:SourceIp"), '"198.51.100.0/24"'
    ),
}  # fmt: skip


def least(function: Any, tries: int = 15) -> float:
    """The least time of the processor that some calls took, in seconds."""
    times = []
    for _ in range(tries):
        begun = time.process_time()
        function()
        times.append(time.process_time() - begun)
    return min(times)


def allowance() -> float:
    """A thousandth of a second, and on a slow machine as much longer as it takes for what 0.8 thousandths are enough; several
    where each line that runs is written down."""
    scan = re.compile("(?>.*?b)")
    slower = max(1.0, least(lambda: scan.match("a" * 100_000)) / 0.0008)
    return 0.001 * slower * (5 if sys.gettrace() else 1)


@pytest.mark.alone
@pytest.mark.parametrize("name", SLOW)
def test_a_decision_by_a_document_that_is_built_to_be_slow_costs_at_most_1_ms(name: str) -> None:
    document = SLOW[name]
    assert MAXIMUM_CHARACTERS - 300 < len(document) <= MAXIMUM_CHARACTERS
    policies = [Policy(PolicyType.CUSTOM, "p", identity_document(document))]

    def decision() -> None:
        assert not decide(identity_grounds(policies, "kms:Encrypt", LONGEST), CONTEXT).allowed

    assert least(decision) <= allowance()


@pytest.mark.alone
def test_a_document_of_a_key_that_is_built_to_be_slow_costs_in_proportion() -> None:
    form = '{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Principal":{"RAM":[FILL]},"Resource":"*"}]}'
    document = stuffed(form, '"acs:ram::1:user/*a*a*a*a*a*b"', MAXIMUM_KEY_BYTES)
    policy = Policy(PolicyType.KEY, "default", key_document(document))
    arn = f"acs:ram::1:user/{'a' * 64}"
    assert least(lambda: key_grounds(policy, "kms:Encrypt", KEY, "1", "1", arn)) <= 16 * allowance()


@pytest.mark.parametrize("name", SLOW)
def test_reading_a_document_that_is_built_to_be_slow_is_quick(name: str) -> None:
    assert least(lambda: identity_document(SLOW[name]), 3) < 1
