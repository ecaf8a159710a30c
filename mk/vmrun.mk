# SPDX-License-Identifier: BSD-2-Clause
# vmrun, a static arm64 program, and what its test boots: a host that has vmrun, a guest's kernel
# and a guest's initial RAM disk in its own.

VMRUN_SRC := $(sort $(wildcard tools/vmrun/*.c))
VMRUN_OBJ := $(VMRUN_SRC:tools/vmrun/%.c=$(BUILD)/vmrun/%.o)
VMRUN     := $(HOST)/bin/vmrun
# libfdt is the distribution's, for arm64.
ARM64_FDT := $(ARM64)/libfdt/root/usr
VMRUN_CFLAGS := -std=gnu11 -O2 -g -pthread -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror \
                -Iinclude -isystem $(ARM64_FDT)/include

.PHONY: vmrun
vmrun: $(VMRUN) ## vmrun, the small virtual machine monitor, for arm64
tools: $(VMRUN)
fetch: $(ARM64)/libfdt/VERSION

$(BUILD)/vmrun/%.o: tools/vmrun/%.c mk/vmrun.mk | $(ARM64)/libfdt/VERSION
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(VMRUN_CFLAGS) -MMD -MP -c -o $@ $<
-include $(VMRUN_OBJ:.o=.d)

$(VMRUN): $(VMRUN_OBJ)
	$(call say,HOST-LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -static -pthread -o $@ $^ $(ARM64_FDT)/lib/aarch64-linux-gnu/libfdt.a

# An initramfs can be several archives, one behind the other: $(HOST)/%/initrd, and what is added.
# A guest is the test host with another prompt, and with virtio_console and virtio_balloon.
append_cpio = (cd $(1) && find . -mindepth 1 -exec touch -h -d @0 {} + -print | LC_ALL=C sort | \
              cpio --quiet -o -H newc -R 0:0 --reproducible)

.PRECIOUS: $(HOST)/%/guest-initrd $(HOST)/%/vmrun-initrd
$(HOST)/%/guest-initrd: $(HOST)/%/initrd tests/system/host-init mk/vmrun.mk
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules
	$(Q)sed -e 's/host# /guest# /' -e 's/KEEL-INIT-REACHED/KEEL-GUEST-REACHED/' tests/system/host-init >$@.root/init
	$(Q)chmod 755 $@.root/init
	$(Q)for name in virtio_console virtio_balloon; do \
	  module=$$(find $(ARM64)/$*/modules/kernel -name "$$name.ko*") && case $$module in \
	  *.xz) xz -dc $$module ;; *) cat $$module ;; esac >$@.root/lib/modules/20-$$name.ko || exit; done
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

$(HOST)/%/vmrun-initrd: $(HOST)/%/initrd $(HOST)/%/guest-initrd $(VMRUN) mk/vmrun.mk
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/bin $@.root/guest
	$(Q)install -m 755 $(VMRUN) $@.root/bin/vmrun
	$(Q)cp $(ARM64)/$*/vmlinuz $@.root/guest/Image
	$(Q)cp $(HOST)/$*/guest-initrd $@.root/guest/initrd
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

CHECK_FORMAT += $(sort $(wildcard tools/vmrun/*.[ch]))
.PHONY: check-vmrun
check: check-vmrun
check-vmrun:
	$(call say,CPPCHECK,tools/vmrun)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 tools/vmrun

test-system test-full: $(HOST)/kernel-6.1-cloud/vmrun-initrd
