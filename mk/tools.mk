# SPDX-License-Identifier: BSD-2-Clause
# Tools for the user, and their tests. mkbundle is a script: nothing to build.

.PHONY: tools test-tools
tools: tools/mkbundle ## the tools: mkbundle, vmrun, keelctl

test-tools: fetch ## tests of the tools and scripts (seconds, no QEMU)
	$(Q)scripts/run-pytest tools tests/tools
