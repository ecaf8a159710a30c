# SPDX-License-Identifier: BSD-2-Clause
# keelctl, a static arm64 program for the host.

KEELCTL := $(HOST)/bin/keelctl

.PHONY: keelctl
keelctl: $(KEELCTL) ## keelctl, to look at Keel and its VMs from the host, for arm64
tools: $(KEELCTL)

$(KEELCTL): tools/keelctl/keelctl.c mk/keelctl.mk
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -O2 -g -Wall -Wextra -Wshadow -Wmissing-prototypes \
	  -Wstrict-prototypes -Werror -o $@ $<

CHECK_FORMAT += tools/keelctl/keelctl.c
.PHONY: check-keelctl
check: check-keelctl
check-keelctl:
	$(call say,CPPCHECK,tools/keelctl)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 tools/keelctl
