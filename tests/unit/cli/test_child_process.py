import os
import signal

import pytest

from keystead.cli.child_process import Ended, signals_raise


def test_the_way_out_is_not_cut_short_by_another_signal() -> None:
    cleaned, before = [], signal.getsignal(signal.SIGHUP)
    with pytest.raises(Ended) as ended, signals_raise():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(1)
    assert (ended.value.status, cleaned) == (128 + signal.SIGHUP, [1])
    # It is for one time; the next one is as new.
    with pytest.raises(Ended), signals_raise():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGHUP) == before
