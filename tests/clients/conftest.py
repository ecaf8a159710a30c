# SPDX-License-Identifier: BSD-2-Clause
"""Clients of KVM's API use the system tests' machines."""

import sys
from pathlib import Path

SYSTEM = Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))
