import multiprocessing
import os
import signal
import threading

import pytest

from iconotext.train import interrupt
from iconotext.train.interrupt import listening


def test_first_signal_is_a_wish_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)
    with listening() as wish:
        assert not wish.stop
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert wish.stop
    assert signal.getsignal(signal.SIGINT) is before


def test_a_later_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "PATIENCE", -1.0)
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_thread_hears_nothing() -> None:
    heard: list[bool] = []

    def work() -> None:
        with listening() as wish:
            heard.append(wish.stop)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


def test_a_forked_worker_leaves_ctrl_c_to_its_parent_and_dies_of_terminate() -> None:
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()

    def work() -> None:
        ready.set()
        go.wait(20)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(3)

    with listening() as wish:
        worker = context.Process(target=work)
        worker.start()
        assert ready.wait(20)
        go.set()
        worker.join(20)
        assert worker.exitcode == -signal.SIGTERM
        assert not wish.stop
