from __future__ import annotations

import os
import signal
import time

from tests.fakes.sandbox import run_apart

from carrack.runtime import foreground


def test_codes_and_signals_of_a_process_become_ours() -> None:
    def work() -> None:
        for signal_number, code in ((0, 7), (signal.SIGKILL, 137)):
            pid = os.fork()
            if pid == 0:
                os.kill(os.getpid(), signal_number)
                os._exit(7)
            assert foreground.wait(pid) == code

    run_apart(work)


def test_signals_go_to_the_process() -> None:
    def work() -> None:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
            time.sleep(20)
            os._exit(0)
        ours = os.getpid()
        if os.fork() == 0:
            time.sleep(0.1)
            os.kill(ours, signal.SIGUSR1)
            os._exit(0)
        signal.signal(signal.SIGUSR1, lambda *_: os.kill(pid, signal.SIGUSR1))
        assert foreground.wait(pid) == 128 + signal.SIGUSR1

    run_apart(work)


def test_a_signal_that_comes_too_early_waits_for_the_process() -> None:
    def work() -> None:
        foreground.hold_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            time.sleep(20)
            os._exit(0)
        assert foreground.wait(pid) == 128 + signal.SIGTERM

    run_apart(work)


def test_a_terminal_s_output_is_ours_and_its_input_ends_with_ours() -> None:
    def work() -> None:
        read, write = os.pipe()
        empty = os.open("/dev/null", os.O_RDONLY)
        os.dup2(empty, 0)
        os.dup2(write, 1)
        os.close(write)
        pid, master = os.forkpty()
        if pid == 0:
            os.write(1, b"said " + os.read(0, 10))
            os._exit(3)
        assert foreground.wait(pid, master) == 3
        os.close(1)
        assert os.read(read, 100).endswith(b"said ")

    run_apart(work)
