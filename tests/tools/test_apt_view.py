# SPDX-License-Identifier: BSD-2-Clause
"""scripts/apt-view.sh: views of Debian's archive are one script's at a time."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = '. scripts/apt-view.sh; apt_view test arm64 deb bookworm; echo in >>"$LOG"; sleep 0.2; echo out >>"$LOG"'


def test_scripts_that_fetch_wait_for_each_other(tmp_path):
    """They share lists and files: make -j, and work trees with the same downloads."""
    log = tmp_path / "log"
    environment = {**os.environ, "KEEL_DOWNLOADS": str(tmp_path), "LOG": str(log)}
    scripts = [subprocess.Popen(["bash", "-euc", SCRIPT], cwd=ROOT, env=environment) for _ in range(4)]
    assert [script.wait(timeout=60) for script in scripts] == [0] * 4
    assert log.read_text().split() == ["in", "out"] * 4
