from __future__ import annotations

import os
import signal
import subprocess
import sys
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


def test_a_second_signal_does_not_disturb_what_the_first_one_set_off() -> None:
    put_down = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            put_down.append("everything")

    with pytest.raises(Stopped), stoppable():
        work()
    assert put_down == ["everything"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


ENDING = """
import signal, sys, time
from massjax.stopping import ending_at_once, stoppable
signal.signal(signal.SIGINT, signal.SIG_IGN if sys.argv[1:] else signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where the tests themselves run under nohup
with stoppable(), ending_at_once("that was all"):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_where_nothing_has_to_be_put_down_the_process_ends_at_once(number: signal.Signals) -> None:
    for ignored in ([], ["ignoring"]) if number == signal.SIGINT else ([],):
        process = subprocess.Popen([sys.executable, "-c", ENDING, *ignored], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        if ignored:
            process.send_signal(signal.SIGTERM)
        assert process.communicate()[1] == "that was all\n"
        assert process.returncode == 128 + (signal.SIGTERM if ignored else number)


def test_outside_the_main_thread_nothing_changes() -> None:
    def look() -> object:
        with stoppable():
            return signal.getsignal(signal.SIGTERM)

    assert interruptible(look) is signal.SIG_DFL
