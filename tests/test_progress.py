"""The bar: on a terminal, after the delay, and otherwise not at all."""

import os
import pty
import subprocess
import sys
import termios

PROGRAM = """
from fanwise.progress import tracked
assert list(tracked(range({count}), delay={delay})) == list(range({count}))
"""


def printed(count: int, delay: float, terminal: bool) -> str:
    program = [sys.executable, "-c", PROGRAM.format(count=count, delay=delay)]
    if not terminal:
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run(program, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # how Linux ends a terminal
    os.close(ours)
    return shown.decode()


def test_a_bar_on_a_terminal():
    assert "filling:" in printed(4096, 0.0, terminal=True)


def test_none_before_the_delay_nor_for_few_tiles_nor_in_a_file():
    assert printed(4096, 60.0, terminal=True) == ""
    assert printed(100, 0.0, terminal=True) == ""
    assert printed(4096, 0.0, terminal=False) == ""
