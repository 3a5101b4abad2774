"""pytest's fixtures, as a project that installs Keystead has them."""

import textwrap

import pytest

from tests.unit.testing.test_local_kms import KEY

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.filterwarnings("default")


def run(pytester: pytest.Pytester, program: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(textwrap.dedent(program))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


def test_fixtures(pytester: pytest.Pytester) -> None:
    told = run(
        pytester,
        """
        import os
        from alibabacloud_kms20160120 import models
        from alibabacloud_kms20160120.client import Client
        from alibabacloud_tea_openapi.models import Config
        from aliyunsdkkms.request.v20160120.ListKeysRequest import ListKeysRequest

        def test_a_moved_clock(kms, kms_key, kms_client):
            kms.call("ScheduleKeyDeletion", KeyId=kms_key, PendingWindowInDays="7")
            kms.clock.advance(days=8)
            assert kms_client.list_keys(models.ListKeysRequest()).body.total_count == 0
            assert kms.calls == ["ListKeys"]

        def test_the_next_one_knows_nothing_of_it(kms, kms_key, kms_client, kms_classic_client):
            assert not kms.clock.moved
            assert kms.calls == []
            assert kms_client.list_keys(models.ListKeysRequest()).body.total_count == 1
            kms_classic_client.do_action_with_exception(ListKeysRequest())
            assert kms.calls == ["ListKeys", "ListKeys"]

        def test_an_unmodified_program(kms_environment):
            client = Client(Config(
                access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                endpoint="kms.cn-hangzhou.aliyuncs.com"))
            client.list_keys(models.ListKeysRequest())
            assert kms_environment.calls == ["ListKeys"]

        def test_the_environment_is_as_before():
            assert "KEYSTEAD_RUN_PROXY" not in os.environ
        """,
    )
    told.assert_outcomes(passed=4)


def test_a_fault_that_nobody_met_fails_the_test(pytester: pytest.Pytester) -> None:
    told = run(
        pytester,
        """
        def test_it(kms):
            kms.fail("Encrypt", status=503)

        def test_others_go_on(kms):
            pass
        """,
    )
    told.assert_outcomes(passed=2, errors=1)
    told.stdout.fnmatch_lines(
        ["*no call met the planned fault: 503 ServiceUnavailableTemporary for Encrypt*"]
    )


def test_a_seed(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", fixed=KEY)
    program = """
        def test_it(kms):
            assert kms.call("DescribeKey", KeyId="alias/work")["KeyMetadata"]["KeyId"] == "work"
        """
    pytester.makeini("[pytest]\nkeystead_seed = fixed.toml\n")
    run(pytester, program).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\n")
    run(pytester, program, "--keystead-seed", "fixed.toml").assert_outcomes(passed=1)
    told = run(pytester, program, "--keystead-seed", "missing.toml")
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines(["*cannot read the seed missing.toml: No such file or directory*"])


def test_a_region(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkeystead_region = cn-beijing\n")
    program = """
        def test_it(kms, kms_key):
            assert ":cn-beijing:" in kms.call("DescribeKey", KeyId=kms_key)["KeyMetadata"]["Arn"]
        """
    run(pytester, program).assert_outcomes(passed=1)


def test_each_worker_has_a_server_of_its_own(pytester: pytest.Pytester) -> None:
    told = run(
        pytester,
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(kms, kms_key, number):
            if number % 2:
                kms.clock.advance(days=number)
            assert kms_key
        """,
        "-n2",
    )
    told.assert_outcomes(passed=8)


def test_a_region_that_is_none(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkeystead_region = Beijing!\n")
    told = run(pytester, "def test_it(kms_key): pass\n")
    told.assert_outcomes(errors=1)
    told.stdout.fnmatch_lines(["*'Beijing!' is not a region; a region is lower-case*"])


def test_a_fixture_asked_for_by_one_that_lives_longer_is_told(pytester: pytest.Pytester) -> None:
    told = run(
        pytester,
        """
        import pytest

        @pytest.fixture(scope="session")
        def key(kms):
            return kms.new_key()

        @pytest.fixture(scope="session")
        def other(kms_server):
            return kms_server.new_key()

        def test_it(key):
            pass

        def test_what_lives_as_long(other, kms):
            assert kms.call("DescribeKey", KeyId=other)
            assert kms.calls == []
        """,
    )
    told.assert_outcomes(passed=1, errors=1)
    told.stdout.fnmatch_lines(["*ScopeMismatch*function scoped fixture kms*session scoped*"])


def test_what_is_misused_says_what_to_do(pytester: pytest.Pytester) -> None:
    told = run(
        pytester,
        """
        from keystead.testing import LocalKms

        def test_it():
            LocalKms().new_key()
        """,
    )
    told.stdout.fnmatch_lines(
        ["*this server does not run*", "*hint: start it first, or use it in a with statement*"]
    )


def test_variables_that_a_test_sets_itself_do_not_outlive_it(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        import os

        def test_it(monkeypatch, kms_environment):
            monkeypatch.setenv("ALIBABA_CLOUD_REGION_ID", "cn-beijing")

        def test_after_it():
            assert "ALIBABA_CLOUD_REGION_ID" not in os.environ
        """,
    ).assert_outcomes(passed=2)


def test_nothing_is_loaded_for_tests_that_do_without(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
        import sys

        def test_it():
            assert "keystead.testing.plugin" in sys.modules
            assert not {"uvloop", "msgspec", "keystead.api", "cryptography"} & set(sys.modules)
        """,
    ).assert_outcomes(passed=1)
