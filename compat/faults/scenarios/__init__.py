"""Scenarios, each a coroutine that is handed a laboratory, breaks something in it, and says what readers may see of it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Scenario:
    name: str
    play: Callable
    # About how long it takes: the longest begin first.
    seconds: int
    # How much of the machine it takes: at most as many at a time as there are jobs.
    weight: int
    short: bool
    # Whether Java servers alone can play it, and whether it needs one beside ours.
    java: bool
    needs_java: bool

    def what(self):
        return " ".join(self.play.__doc__.split())


SCENARIOS = {}


def scenario(seconds, weight=1, short=False, java=False, needs_java=False):
    def declare(play):
        name = play.__name__.replace("_", "-")
        SCENARIOS[name] = Scenario(name, play, seconds, weight, short, java, needs_java)
        return play

    return declare


def load():
    from . import clocks, cuts, disks, kills, lies, names, operations, peers, start  # noqa: F401, PLC0415, each registers its scenarios here

    return SCENARIOS
