# SPDX-License-Identifier: BSD-2-Clause
# keel.ko for Debian's kernels, cross-compiled against their headers packages: nothing is installed.
# $(BUILD)/module/KERNEL/keel.ko, KERNEL as in scripts/fetch-headers. On an arm64 machine `make -C
# linux` builds it for the running kernel.

MODULE_KERNELS ?= 6.1-cloud 6.1 6.12-cloud 6.12
MODULE         := $(BUILD)/module
MODULE_SRC     := $(sort $(wildcard linux/*.[ch]) linux/Kbuild)
MODULE_ABI     := $(sort $(wildcard include/keel/*.h))

.PRECIOUS: $(ARM64)/headers-%/VERSION $(MODULE)/%/keel.ko
$(ARM64)/headers-%/VERSION: scripts/fetch-headers scripts/apt-view.sh $(ARM64)/kernel-%/VERSION
	$(call say,FETCH,headers-$*)
	$(Q)scripts/fetch-headers $*

# Kbuild writes beside the sources: each kernel gets a copy. CONFIG_DEBUG_INFO_BTF_MODULES wants pahole.
$(MODULE)/%/keel.ko: $(ARM64)/headers-%/VERSION $(MODULE_SRC) $(MODULE_ABI) mk/linux.mk
	$(call say,MODULE,$@)
	@mkdir -p $(@D)/linux $(@D)/include/keel
	$(Q)cp -p $(MODULE_SRC) $(@D)/linux/
	$(Q)cp -p $(MODULE_ABI) $(@D)/include/keel/
	$(Q)$(MAKE) -s -C $(ARM64)/headers-$*/build M=$(abspath $(@D))/linux ARCH=arm64 \
	  CROSS_COMPILE=$(CROSS) CONFIG_DEBUG_INFO_BTF_MODULES= KCFLAGS=-Werror modules
	$(Q)cp $(@D)/linux/keel.ko $@

.PHONY: module
module: $(MODULE_KERNELS:%=$(MODULE)/%/keel.ko) ## build keel.ko for Debian's 6.1 and 6.12 kernels

# Tests of the API, in the host: one static program an ioctl family.
KVM_TEST_SRC := $(sort $(wildcard tests/kvm/test_*.c))
KVM_TESTS    := $(KVM_TEST_SRC:tests/kvm/%.c=$(BUILD)/kvm/%)
.PRECIOUS: $(BUILD)/kvm/%
$(BUILD)/kvm/%: tests/kvm/%.c $(wildcard tests/kvm/*.h) mk/linux.mk
	$(call say,KVM-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -pthread -O2 -g -Wall -Wextra -Wshadow -Werror -o $@ $<

.PHONY: kvm-tests
kvm-tests: $(KVM_TESTS) ## build the tests of /dev/kvm

# Guests on Keel: a host with keel.ko, vmrun, a guest's kernel and initrd, and the tests of /dev/kvm.
GUESTS_BUNDLE := $(HOST)/kernel-6.1-cloud/guests-bundle.cpio
$(GUESTS_BUNDLE): $(HOST)/kernel-6.1-cloud/vmrun-initrd $(MODULE)/6.1-cloud/keel.ko $(KVM_TESTS) tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules $@.root/bin
	$(Q)cp $(MODULE)/6.1-cloud/keel.ko $@.root/lib/modules/90-keel.ko
	$(Q)install -m 755 $(KVM_TESTS) $@.root/bin
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-6.1-cloud/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.root $@.initrd

.PHONY: test-guests
test-guests: keel-guests $(GUESTS_BUNDLE) ## guests on Keel, and KVM's API (not yet part of `make test`)
	$(Q)scripts/run-pytest guests tests/guests $(PYTEST)
