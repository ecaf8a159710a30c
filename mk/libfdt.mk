# SPDX-License-Identifier: BSD-2-Clause
# libfdt's sources, from the distribution's source package, for EL2 (tools use the installed library).

LIBFDT_DIR   := $(BUILD)/downloads/libfdt
LIBFDT_STAMP := $(LIBFDT_DIR)/.unpacked
LIBFDT_INC   := -isystem $(LIBFDT_DIR) -Ihyp/lib/libfdt
LIBFDT_SRC_NAMES := fdt.c fdt_ro.c fdt_rw.c fdt_sw.c fdt_wip.c fdt_addresses.c

$(LIBFDT_STAMP): scripts/fetch-libfdt
	$(call say,FETCH,libfdt)
	$(Q)scripts/fetch-libfdt $(LIBFDT_DIR)
	$(Q)touch $@
