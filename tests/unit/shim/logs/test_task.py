from __future__ import annotations

import pytest

from carrack.shim.logs.lines import Message
from carrack.shim.logs.task import Driver, Lost, Task


def test_a_task_needs_a_driver_only() -> None:
    task = Task({"driver": "gelf"})
    assert (task.driver, task.options, task.tag, task.attributes, task.id) == ("gelf", {}, "", {}, "")
    with pytest.raises(KeyError):
        Task({})


def test_a_driver_need_only_send() -> None:
    driver = Driver()
    driver.connect()
    driver.flush()
    driver.close()
    assert (driver.linger, driver.held, Lost("full", 3).messages) == (None, 0, 3)
    with pytest.raises(NotImplementedError):
        driver.send(Message(1, 0, b""))
