"""Starts the registry, and stops it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SERVE = Path(__file__).resolve().parent / "serve"
STOP_SECONDS = 60


class Registry:
    """A running registry: `host` is where it is, `certificates` the directory for the host config.
    """

    def __init__(self, endpoint: str) -> None:
        self.process = subprocess.Popen([sys.executable, SERVE, "--endpoint", endpoint],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.host = self.process.stdout.readline().strip()
        self.certificates = self.process.stdout.readline().strip()
        if not self.certificates:
            raise RuntimeError(f"{SERVE} did not start; its own words are above")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
