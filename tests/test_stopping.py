from __future__ import annotations

import os
import signal
import threading

import pytest

from massjax.stopping import Stopped, exit_code, interruptible, stoppable


def test_work_in_another_thread_gives_its_result_or_its_error() -> None:
    assert interruptible(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)


def test_a_signal_is_heard_while_the_work_goes_on() -> None:
    released = threading.Event()
    with pytest.raises(Stopped) as caught, stoppable():
        interruptible(lambda: (os.kill(os.getpid(), signal.SIGTERM), released.wait(60)))
    released.set()
    assert exit_code(caught.value) == 143
    assert exit_code(KeyboardInterrupt()) == 130


def test_handlers_are_put_back_and_those_of_others_are_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, "as under nohup"
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_changes() -> None:
    def look() -> object:
        with stoppable():
            return signal.getsignal(signal.SIGTERM)

    assert interruptible(look) is signal.SIG_DFL
