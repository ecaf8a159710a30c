# SPDX-License-Identifier: BSD-2-Clause
# keelctl, a static arm64 program for the host.

KEELCTL     := $(HOST)/bin/keelctl
KEELCTL_SRC := $(sort $(wildcard tools/keelctl/*.c))

.PHONY: keelctl
keelctl: $(KEELCTL) ## keelctl, to look at Keel and its VMs from the host, for arm64
tools: $(KEELCTL)

$(KEELCTL): $(KEELCTL_SRC) tools/keelctl/doctor.h include/keel/version.h include/keel/spe.h mk/keelctl.mk
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -O2 -g -Wall -Wextra -Wshadow -Wmissing-prototypes \
	  -Wstrict-prototypes -Werror -Iinclude -o $@ $(KEELCTL_SRC)

CHECK_FORMAT += $(KEELCTL_SRC) tools/keelctl/doctor.h
.PHONY: check-keelctl
check: check-keelctl
check-keelctl:
	$(call say,CPPCHECK,tools/keelctl)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 -Iinclude tools/keelctl
