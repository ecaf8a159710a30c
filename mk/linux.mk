# SPDX-License-Identifier: BSD-2-Clause
# keel.ko for Debian's kernels, cross-compiled against their headers packages: nothing is installed.
# $(BUILD)/module/KERNEL/keel.ko, KERNEL as in scripts/fetch-headers. On an arm64 machine `make -C
# linux` builds it for the running kernel.

MODULE_KERNELS ?= 6.1-cloud 6.1 6.12-cloud 6.12 6.12-16k
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

# The same with fault injection, for tests/guests/test_inject.py: never shipped.
.PRECIOUS: $(MODULE)/%/inject/keel.ko $(HOST)/kernel-%/inject-bundle.cpio
$(MODULE)/%/inject/keel.ko: $(ARM64)/headers-%/VERSION $(MODULE_SRC) $(MODULE_ABI) mk/linux.mk
	$(call say,MODULE,$@)
	@mkdir -p $(@D)/linux $(@D)/include/keel
	$(Q)cp -p $(MODULE_SRC) $(@D)/linux/
	$(Q)cp -p $(MODULE_ABI) $(@D)/include/keel/
	$(Q)$(MAKE) -s -C $(ARM64)/headers-$*/build M=$(abspath $(@D))/linux ARCH=arm64 KEEL_INJECT=1 \
	  CROSS_COMPILE=$(CROSS) CONFIG_DEBUG_INFO_BTF_MODULES= KCFLAGS=-Werror modules
	$(Q)cp $(@D)/linux/keel.ko $@

# Tests of the API, in the host: one static program an ioctl family.
KVM_TEST_SRC := $(sort $(wildcard tests/kvm/test_*.c))
KVM_TESTS    := $(KVM_TEST_SRC:tests/kvm/%.c=$(BUILD)/kvm/%)
.PRECIOUS: $(BUILD)/kvm/%
$(BUILD)/kvm/%: tests/kvm/%.c $(wildcard tests/kvm/*.h) mk/linux.mk
	$(call say,KVM-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -pthread -O2 -g -Iinclude -Wall -Wextra -Wshadow -Werror -o $@ $<

.PHONY: kvm-tests
kvm-tests: $(KVM_TESTS) ## build the tests of /dev/kvm

# What a guest's initial RAM disk has besides to be profiled: Linux's driver for SPE, a program.
PROFILE := $(BUILD)/guest/linux/profile
$(BUILD)/guest/linux/%: tests/guest/linux/%.c mk/linux.mk
	$(call say,GUEST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -O2 -fno-toplevel-reorder -fno-reorder-functions -Wall -Wextra -Wshadow -Werror -o $@ $<

.PRECIOUS: $(HOST)/kernel-%/profile.cpio $(BUILD)/guest/linux/%
$(HOST)/kernel-%/profile.cpio: $(PROFILE) $(ARM64)/kernel-%/VERSION mk/linux.mk
	$(call say,INITRD,$@)
	@mkdir -p $(@D)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules $@.root/bin
	$(Q)install -m 755 $< $@.root/bin
	$(Q)module=$$(find $(ARM64)/kernel-$*/modules/kernel -name 'arm_spe_pmu.ko*') && case $$module in \
	  *.xz) xz -dc $$module ;; *) cat $$module ;; esac >$@.root/lib/modules/30-arm_spe_pmu.ko
	$(Q)$(call append_cpio,$@.root) >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

# What zram needs, each after what it needs itself: 6.1 compresses by lzo-rle, 6.12 has more in one module.
SWAP_MODULES := zsmalloc lzo-rle lz4_compress lz4hc_compress zram

# Guests on Keel: a host with keel.ko, vmrun, a guest's kernel and initrd, and the tests of /dev/kvm.
.PRECIOUS: $(HOST)/kernel-%/guests-initrd $(HOST)/kernel-%/guests-bundle.cpio
$(HOST)/kernel-%/guests-initrd: $(HOST)/kernel-%/vmrun-initrd $(MODULE)/%/keel.ko $(KVM_TESTS) $(HOST)/bin/keelctl $(GUEST_IMAGES) $(GUEST_HOST) $(HOST)/kernel-%/profile.cpio mk/linux.mk
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules $@.root/bin $@.root/payloads $@.root/guest
	$(Q)cp $(HOST)/kernel-$*/profile.cpio $@.root/guest
	$(Q)cp $(MODULE)/$*/keel.ko $@.root/lib/modules/90-keel.ko
	$(Q)install -m 755 $(KVM_TESTS) $(HOST)/bin/keelctl $(GUEST_HOST) $@.root/bin
	$(Q)cp $(GUEST_IMAGES) $@.root/payloads
	$(Q)mkdir -p $@.root/lib/swap && for name in $(SWAP_MODULES); do \
	  module=$$(find $(ARM64)/kernel-$*/modules/kernel -name "$$name.ko*") && case $$module in \
	  "") ;; *.xz) xz -dc $$module ;; *) cat $$module ;; esac >$@.root/lib/swap/$$name.ko || exit; done
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

$(HOST)/kernel-%/guests-bundle.cpio: $(HOST)/kernel-%/guests-initrd tools/mkbundle
	$(call say,BUNDLE,$@)
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$*/vmlinuz --initrd $< --cmdline 'console=ttyAMA0' -o $@

# A file of a later archive takes the place of an earlier one's: the host loads the other module.
$(HOST)/kernel-%/inject-bundle.cpio: $(HOST)/kernel-%/guests-initrd $(MODULE)/%/inject/keel.ko tools/mkbundle
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/lib/modules
	$(Q)cp $(MODULE)/$*/inject/keel.ko $@.root/lib/modules/90-keel.ko
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$*/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.root $@.initrd

# Programs of Debian's with their libraries, each for hosts of its own: they are large. perf is a
# guest's; QEMU is the host's, a second VMM; kexec is the host's.
.PRECIOUS: $(ARM64)/kexec/VERSION $(ARM64)/perf/VERSION $(ARM64)/qemu/VERSION
$(ARM64)/kexec/VERSION $(ARM64)/perf/VERSION $(ARM64)/qemu/VERSION: $(ARM64)/%/VERSION: scripts/fetch-program scripts/apt-view.sh
	$(call say,FETCH,$*)
	$(Q)scripts/fetch-program $*

.PRECIOUS: $(HOST)/kernel-%/kexec-bundle.cpio $(HOST)/kernel-%/perf-bundle.cpio $(HOST)/kernel-%/qemu-bundle.cpio
$(HOST)/kernel-%/kexec-bundle.cpio: $(HOST)/kernel-%/guests-initrd $(MODULE)/%/inject/keel.ko $(ARM64)/kexec/VERSION scripts/needed-libraries tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.program
	$(Q)$(PYTHON) scripts/needed-libraries $(ARM64)/kexec/root sbin/kexec $@.program
	$(Q)mkdir -p $@.program/lib/inject && cp $(MODULE)/$*/inject/keel.ko $@.program/lib/inject
	$(Q){ cat $<; $(call append_cpio,$@.program); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$*/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.program $@.initrd

$(HOST)/kernel-%/perf-bundle.cpio: $(HOST)/kernel-%/guests-initrd $(ARM64)/perf/VERSION scripts/needed-libraries tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.program $@.root && mkdir -p $@.root/guest
	$(Q)$(PYTHON) scripts/needed-libraries $(ARM64)/perf/root usr/bin/perf $@.program
	$(Q)$(call append_cpio,$@.program) >$@.root/guest/perf.cpio
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$*/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.program $@.root $@.initrd

$(HOST)/kernel-%/qemu-bundle.cpio: $(HOST)/kernel-%/guests-initrd $(ARM64)/qemu/VERSION scripts/needed-libraries tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.program
	$(Q)$(PYTHON) scripts/needed-libraries $(ARM64)/qemu/root usr/bin/qemu-system-aarch64 $@.program
	$(Q){ cat $<; $(call append_cpio,$@.program); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-$*/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.program $@.initrd

# A host that has another kernel for guests as well, for guest hypervisors and nested guests that differ.
OTHER_KERNEL := kernel-6.12-cloud
MIXED_BUNDLE := $(HOST)/kernel-6.1-cloud/mixed-bundle.cpio
$(MIXED_BUNDLE): $(HOST)/kernel-6.1-cloud/guests-initrd $(HOST)/$(OTHER_KERNEL)/guest-initrd tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/guest/other
	$(Q)cp $(ARM64)/$(OTHER_KERNEL)/vmlinuz $@.root/guest/other/Image
	$(Q)cp $(HOST)/$(OTHER_KERNEL)/guest-initrd $@.root/guest/other/initrd
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-6.1-cloud/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.root $@.initrd

# What `make run` boots: the host starts a guest by itself, with vmrun or (VMM=qemu) with Debian's QEMU.
VMM ?= vmrun
RUN_BUNDLE := $(HOST)/kernel-6.1-cloud/run-bundle.cpio
RUN_BUNDLE_QEMU := $(HOST)/kernel-6.1-cloud/run-qemu-bundle.cpio
RUN_BUNDLE_OF_VMM := $(if $(filter qemu,$(VMM)),$(RUN_BUNDLE_QEMU),$(RUN_BUNDLE))
$(RUN_BUNDLE_QEMU): $(ARM64)/qemu/VERSION scripts/needed-libraries
$(RUN_BUNDLE) $(RUN_BUNDLE_QEMU): $(HOST)/kernel-6.1-cloud/guests-initrd scripts/run-guest tools/mkbundle mk/linux.mk
	$(call say,BUNDLE,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/etc
	$(Q)install -m 755 scripts/run-guest $@.root/etc/autostart
	$(Q)[ $@ = $(RUN_BUNDLE) ] || \
	  $(PYTHON) scripts/needed-libraries $(ARM64)/qemu/root usr/bin/qemu-system-aarch64 $@.root
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.initrd
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/kernel-6.1-cloud/vmlinuz --initrd $@.initrd --cmdline 'console=ttyAMA0' -o $@
	$(Q)rm -rf $@.root $@.initrd

fetch: $(ARM64)/headers-6.1-cloud/VERSION $(ARM64)/kexec/VERSION

.PHONY: run test-guests
run: $(BUILD)/release/keel.img $(RUN_BUNDLE_OF_VMM) ## boot QEMU, Keel, Debian's kernel, and a guest to its shell; VMM=qemu: a guest of QEMU's
	$(Q)VMM=$(VMM) scripts/run $(BUILD)/release/keel.img $(RUN_BUNDLE_OF_VMM)

test-guests: keel $(HOST)/kernel-6.1-cloud/guests-bundle.cpio $(HOST)/kernel-6.1-cloud/inject-bundle.cpio $(HOST)/kernel-6.1-cloud/kexec-bundle.cpio ## guests on Keel, and KVM's API (QEMU, minutes)
	$(Q)scripts/run-pytest guests tests/guests -m 'not full' $(PYTEST)

.PHONY: test-guests-full
test-guests-full: keel $(EFI_LOADERS) $(MIXED_BUNDLE) $(HOST)/kernel-6.1-cloud/kexec-bundle.cpio $(HOST)/kernel-6.12-cloud/kexec-bundle.cpio $(HOST)/kernel-6.1-cloud/perf-bundle.cpio $(HOST)/kernel-6.1-cloud/qemu-bundle.cpio $(HOST)/kernel-6.12-cloud/qemu-bundle.cpio $(HOST)/kernel-6.1-cloud/inject-bundle.cpio $(HOST)/kernel-6.12-cloud/inject-bundle.cpio $(MODULE_KERNELS:%=$(HOST)/kernel-%/guests-bundle.cpio) ## every test of guests: the whole matrix
	$(Q)scripts/run-pytest guests-full tests/guests $(PYTEST)

# KEEL_NESTED_RUNS=20 make test-nested: as often in a row, to the first failure.
KEEL_NESTED_RUNS ?= 1
.PHONY: test-nested
test-nested: keel $(MIXED_BUNDLE) $(HOST)/kernel-6.1-cloud/qemu-bundle.cpio $(HOST)/kernel-6.12-cloud/qemu-bundle.cpio $(HOST)/kernel-6.1-cloud/guests-bundle.cpio $(HOST)/kernel-6.12-cloud/guests-bundle.cpio ## Linux as a guest hypervisor, in full; KEEL_NESTED_RUNS times in a row
	$(Q)for run in $$(seq $(KEEL_NESTED_RUNS)); do echo "  RUN      $$run of $(KEEL_NESTED_RUNS)"; \
	  scripts/run-pytest guests-nested tests/guests -m nested $(PYTEST) || exit; done

# KEEL_SOAK_BOOTS=500 make soak-guests
.PHONY: soak-guests
soak-guests: keel $(HOST)/kernel-6.1-cloud/guests-bundle.cpio ## one guest after the other for long: what hangs once in a hundred times
	$(Q)KEEL_TEST_JOBS=1 scripts/run-pytest guests-soak tests/guests -m soak $(PYTEST)

test-full: test-guests-full
test-system test-full: $(RUN_BUNDLE)
test-full: $(RUN_BUNDLE_QEMU)
