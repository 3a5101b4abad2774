"""Tests of programs that use KMS: a server within the test process, whose clock the test moves and whose faults it plans.

pytest finds the fixtures by itself (keystead.testing.plugin); `LocalKms` is the same for any other framework.
"""
