"""The console commands of the installed package: each runs its binary as `python -m goodnet.pipeline.NAME` does."""

import runpy


def attack() -> None:
    """`goodnet-attack`."""
    _run("attack")


def audit() -> None:
    """`goodnet-audit`."""
    _run("audit")


def evaluate() -> None:
    """`goodnet-evaluate`."""
    _run("evaluate")


def export() -> None:
    """`goodnet-export`."""
    _run("export")


def repair() -> None:
    """`goodnet-repair`."""
    _run("repair")


def _run(binary: str) -> None:
    # As a program, not by its `main`: it must handle Ctrl-C before it imports TensorFlow.
    runpy.run_module(f"goodnet.pipeline.{binary}", run_name="__main__", alter_sys=True)
