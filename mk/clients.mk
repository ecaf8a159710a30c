# SPDX-License-Identifier: BSD-2-Clause
# Programs that others wrote for KVM's API, as tests: Linux's KVM selftests. Their source is fetched as
# a package of Debian's and built here, for a host that runs on Keel, and for the same kernel on stock KVM.

SELFTESTS        := 6.12 7.3
SELFTESTS_KERNEL := 6.12-cloud
SELFTESTS_DIR    := $(BUILD)/clients/selftests
SELFTESTS_SRC    := $(BUILD)/downloads/selftests

.PRECIOUS: $(SELFTESTS_SRC)/%/VERSION $(SELFTESTS_DIR)/%/BUILT
$(SELFTESTS_SRC)/%/VERSION: scripts/fetch-selftests
	$(call say,FETCH,selftests-$*)
	$(Q)scripts/fetch-selftests $*

# Their Makefile writes beside the sources: it gets a copy. The programs are linked statically.
$(SELFTESTS_DIR)/%/BUILT: $(SELFTESTS_SRC)/%/VERSION mk/clients.mk
	$(call say,SELFTEST,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D)/out $(@D)/bin
	$(Q)cp -r $(SELFTESTS_SRC)/$*/linux $(@D)/linux
	$(Q)$(MAKE) -s -C $(@D)/linux/tools/testing/selftests/kvm ARCH=arm64 CROSS_COMPILE=$(CROSS) LDFLAGS=-static \
	  KHDR_INCLUDES='$(foreach dir,include include/aarch64-linux-gnu,-isystem $(abspath $(SELFTESTS_SRC)/$*/headers/usr/$(dir)))' \
	  OUTPUT=$(abspath $(@D))/out >$(@D)/log 2>&1 || { tail -n 20 $(@D)/log; exit 1; }
	$(Q)find $(@D)/out -type f -perm -100 -exec $(CROSS)objcopy --strip-all {} {}.stripped \; -exec mv {}.stripped {} \;
	$(Q)find $(@D)/out -type f -perm -100 -exec mv -t $(@D)/bin {} +
	$(Q)rm -rf $(@D)/out $(@D)/linux
	$(Q)touch $@

# The host has both: keel.ko, which refuses where the kernel's own KVM is, and the programs.
CLIENTS := $(HOST)/kernel-$(SELFTESTS_KERNEL)
$(CLIENTS)/clients-initrd: $(CLIENTS)/initrd $(MODULE)/$(SELFTESTS_KERNEL)/keel.ko $(SELFTESTS:%=$(SELFTESTS_DIR)/%/BUILT) mk/clients.mk
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules $(SELFTESTS:%=$@.root/selftests/%)
	$(Q)cp $(MODULE)/$(SELFTESTS_KERNEL)/keel.ko $@.root/lib/modules/90-keel.ko
	$(Q)for version in $(SELFTESTS); do cp $(SELFTESTS_DIR)/$$version/bin/* $@.root/selftests/$$version || exit; done
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

$(CLIENTS)/clients-bundle.cpio: $(CLIENTS)/clients-initrd tools/mkbundle
	$(call say,BUNDLE,$@)
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$(SELFTESTS_KERNEL)/vmlinuz --initrd $< --cmdline 'console=ttyAMA0' -o $@

.PHONY: test-clients
test-clients: keel $(CLIENTS)/clients-bundle.cpio ## Linux's KVM selftests on Keel, beside stock KVM (QEMU, ten to twenty minutes)
	$(Q)KEEL_TEST_JOBS=1 scripts/run-pytest clients tests/clients $(PYTEST)
