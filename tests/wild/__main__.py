"""`python -m tests.wild [PART] [PACKAGE ...]`: the classes of published packages, stored; a table of the outcome.

PART is how much of each package is tried: 1 all classes (the default; about ten minutes on two cores), 0.2 every fifth
in the order of their names. It ends with 1 where a value came back wrong.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.wild.classes import PACKAGES
from tests.wild.sweep import Tally, sweep


def main(arguments: list[str]) -> int:
    """Run it."""
    part = float(arguments.pop(0)) if arguments and arguments[0] not in PACKAGES else 1.0
    packages = arguments or list(PACKAGES)
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(packages))
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        tallies = list(pool.map(partial(sweep, part=part), packages))
    print(
        f"{'package':18}{'classes':>9}{'stored':>9}{'objects':>9}{'refused':>9}{'wrong':>7}{'no instance':>13}"
        f"{'seconds':>9}"
    )
    for tally in [*tallies, _total(tallies)]:
        refused, unmade = tally.refused.total(), tally.unmade.total()
        print(
            f"{tally.package:18}{tally.classes:9}{tally.stored:9}{tally.instances:9}{refused:9}{len(tally.wrong):7}{unmade:13}"
            f"{tally.seconds:9.0f}"
        )
    for title, reasons in (("Refused", _total(tallies).refused), ("No instance", _total(tallies).unmade)):
        print(f"\n{title}:")
        for reason, count in reasons.most_common(25):
            print(f"{count:6}  {reason}")
    wrong = [line for tally in tallies for line in tally.wrong]
    print(f"\n{sum(tally.examples for tally in tallies)} of the objects are examples that the classes ship.")
    print("\nWrong:", *wrong[:60] or ["nothing"], sep="\n  ")
    return int(bool(wrong))


def _total(tallies: list[Tally]) -> Tally:
    total = Tally("all")
    for tally in tallies:
        total.classes += tally.classes
        total.stored += tally.stored
        total.instances += tally.instances
        total.refused += tally.refused
        total.unmade += tally.unmade
        total.wrong += tally.wrong
        total.seconds += tally.seconds
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
