"""A log of experiments in one file: runs with their parameters, metrics over steps, and the best run by a query.

python examples/experiments.py [DIRECTORY]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from parcode_orm import Index, Key, Model, Ref, Session, func, select


class Run(Model):
    id: int = Key(auto=True)
    optimizer: str = Index()
    rate: float
    status: str = "running"


class Metric(Model):
    id: int = Key(auto=True)
    run: Ref[Run] = Index()
    name: str
    step: int
    value: float


def descend(session: Session, optimizer: str, rate: float, steps: int = 20) -> Run:
    """Minimise x² from x = 1, and log the loss of each step; one commit a run."""
    run = Run(optimizer=optimizer, rate=rate)
    session.add(run)
    x, speed = 1.0, 0.0
    for step in range(steps):
        session.add(Metric(run=run, name="loss", step=step, value=x * x))
        speed = (0.5 * speed if optimizer == "momentum" else 0.0) - rate * 2 * x
        x += speed
    run.status = "done"
    session.commit(f"{optimizer} at {rate}")
    return run


def best(session: Session, metric: str = "loss") -> list[tuple[Run, float]]:
    """Each run that is done with its lowest value of `metric`, the best first."""
    lowest = func.min(Metric.value)
    found = session.execute(
        select(Run, lowest.label("lowest"))
        .join(Metric.run)
        .where(Metric.name == metric, Run.status == "done")
        .group_by(Run)
        .order_by(lowest)
    )
    return [tuple(row) for row in found]


def curve(session: Session, run: Run, metric: str = "loss") -> list[float]:
    """The values of `metric` in a run, by step."""
    wanted = select(Metric.value).where(Metric.run == run, Metric.name == metric).order_by(Metric.step)
    return list(session.scalars(wanted))


def main(folder: Path) -> None:
    """Six runs, and what they came to."""
    with Session(folder / "experiments.par") as session:
        for optimizer in ("plain", "momentum"):
            for rate in (0.01, 0.1, 0.3):
                descend(session, optimizer, rate)
    with Session.open(folder / "experiments.par") as session:
        ranking = best(session)
        for run, lowest in ranking:
            print(f"{run.optimizer:10} {run.rate:5} {lowest:.2e}")
        run, _ = ranking[0]
        print(f"best: run {run.id}, {len(curve(session, run))} steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    given = parser.parse_args().directory
    if given is not None:
        main(given)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
