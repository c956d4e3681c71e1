"""Finds a Chromium for the tests in a browser, or installs one: `python -m tests.page.browser`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def installed() -> str | None:
    """The browser that the system has, or that Playwright has installed; None without one."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> None:
    """Install Chromium by Playwright, or by the system's packages where this may install them."""
    if subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"]) == 0:
        return
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        asking_nothing = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.check_call(["apt-get", "-q", *arguments], env=asking_nothing)


if __name__ == "__main__":
    if installed() is None:
        install()
    if installed() is None:
        sys.exit("no Chromium is installed, and none can be installed here")
