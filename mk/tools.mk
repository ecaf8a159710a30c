# SPDX-License-Identifier: BSD-2-Clause
.PHONY: tools
tools:
