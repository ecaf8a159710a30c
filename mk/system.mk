# SPDX-License-Identifier: BSD-2-Clause
# Whole machines under QEMU: what they boot (Debian's kernel, an initramfs, bundles), `make run` and
# the system tests.

ARM64 := $(BUILD)/downloads/arm64
HOST  := $(BUILD)/host

# What a fresh machine lacks is installed before anything else is made. Make reads this file, and
# so makes it, first; it starts over if something was installed, for compilers are asked above.
ifneq ($(filter run test test-% bench bench-% check fuzz% deb,$(MAKECMDGOALS)),)
include $(BUILD)/deps.mk
endif
.PHONY: deps FORCE
deps: ## install what is missing of the packages in scripts/packages
	$(Q)scripts/deps
$(BUILD)/deps.mk: FORCE
	$(Q)scripts/deps $@

# Debian's packages, fetched by name.
KERNELS := kernel-6.1-cloud kernel-6.1 kernel-6.12-cloud kernel-6.12 kernel-6.12-16k
EFI_LOADERS := $(ARM64)/grub/VERSION $(ARM64)/systemd-boot/VERSION $(ARM64)/edk2/VERSION
.PRECIOUS: $(ARM64)/%/VERSION
$(ARM64)/%/VERSION: scripts/fetch-arm64 scripts/apt-view.sh
	$(call say,FETCH,$*)
	$(Q)scripts/fetch-arm64 $*

.PHONY: fetch fetch-all
fetch: $(ARM64)/kernel-6.1-cloud/VERSION $(ARM64)/busybox/VERSION $(LIBFDT_STAMP) ## download what `make run` and `make test` need
fetch-all: fetch $(KERNELS:%=$(ARM64)/%/VERSION) ## download the other kernels too

# Test programs that run in the host.
.PRECIOUS: $(HOST)/bin/%
HELPERS := $(patsubst tests/system/helpers/%.c,$(HOST)/bin/%,$(sort $(wildcard tests/system/helpers/*.c)))
$(HOST)/bin/%: tests/system/helpers/%.c mk/system.mk
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -static -O2 -Wall -Wextra -Wshadow -Werror -o $@ $<

# One initramfs and one bundle for each kernel: $(HOST)/KERNEL/{initrd,bundle.cpio}.
.PRECIOUS: $(HOST)/%/initrd $(HOST)/%/bundle.cpio
$(HOST)/%/initrd: $(ARM64)/%/VERSION $(ARM64)/busybox/VERSION $(HELPERS) scripts/mkinitramfs tests/system/host-init
	$(call say,INITRD,$@)
	$(Q)scripts/mkinitramfs $@ $(ARM64)/$* $(ARM64)/busybox $(HELPERS)

$(HOST)/%/bundle.cpio: $(HOST)/%/initrd tools/mkbundle
	$(call say,BUNDLE,$@)
	$(Q)$(PYTHON) tools/mkbundle --kernel $(ARM64)/$*/vmlinuz --initrd $< --cmdline 'console=ttyAMA0' -o $@

# Bare-metal hosts: images of their own, in place of a kernel.
PAYLOADS := $(patsubst tests/system/payload/%.c,$(HOST)/payload/%.img,$(sort $(wildcard tests/system/payload/*.c)))
PAYLOAD_CFLAGS := -std=gnu11 -ffreestanding -nostdlib -static -fno-pic -mcmodel=tiny -mgeneral-regs-only \
                  -mstrict-align -fno-stack-protector -fno-asynchronous-unwind-tables -O1 -Wall -Wextra -Werror \
                  -Iinclude -Wl,--build-id=none,--no-warn-rwx-segments -Wl,-T,tests/system/payload/payload.ld
$(HOST)/payload/%.img: tests/system/payload/%.c tests/system/payload/start.S tests/lib/start.h tests/system/payload/payload.ld \
                       $(wildcard include/keel/*.h) mk/system.mk
	$(call say,PAYLOAD,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(PAYLOAD_CFLAGS) -o $(@:.img=.elf) tests/system/payload/start.S $<
	$(Q)$(CROSS)objcopy -O binary $(@:.img=.elf) $@

# Firmware at EL3: code that runs where it is put.
FIRMWARE := $(patsubst tests/system/firmware/%.S,$(HOST)/firmware/%.bin,$(sort $(wildcard tests/system/firmware/*.S)))
$(HOST)/firmware/%.bin: tests/system/firmware/%.S mk/system.mk
	$(call say,FIRMWARE,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -nostdlib -static -march=armv8.2-a -Wl,--build-id=none,-Ttext=0 -o $(@:.bin=.elf) $<
	$(Q)$(CROSS)objcopy -O binary -j .text $(@:.bin=.elf) $@

# Programs at EL2, in place of Keel: tests/el2/NAME.c with what they look at.
EL2_TESTS := $(patsubst tests/el2/%.c,$(HOST)/el2/%.img,$(sort $(wildcard tests/el2/*.c)))
EL2_CFLAGS := $(subst tests/system/payload/payload.ld,tests/el2/el2.ld,$(PAYLOAD_CFLAGS)) -Ihyp \
              -D'CLEAN_LINE(at)=ldr x14,[at];str xzr,[x14]'
$(HOST)/el2/%.img: tests/el2/%.c tests/el2/start.S tests/el2/el2.ld hyp/arch/foreign.S hyp/cpu/extable.c \
                   $(wildcard hyp/arch/*.h hyp/lib/*.h) mk/system.mk
	$(call say,EL2,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(EL2_CFLAGS) -o $(@:.img=.elf) tests/el2/start.S hyp/arch/foreign.S hyp/cpu/extable.c $<
	$(Q)$(CROSS)objcopy -O binary $(@:.img=.elf) $@

# EFI applications: tests/system/efi/NAME.c.
EFI_PROGRAMS := $(patsubst tests/system/efi/%.c,$(HOST)/efi/%.efi,$(sort $(wildcard tests/system/efi/*.c)))
EFI_CFLAGS := $(subst tests/system/payload/payload.ld,tests/system/efi/efi.ld,$(filter-out -mgeneral-regs-only,$(PAYLOAD_CFLAGS))) -Ihyp
$(HOST)/efi/%.efi: tests/system/efi/%.c tests/system/efi/start.S tests/system/efi/efi.ld hyp/efi/efi_abi.h mk/system.mk
	$(call say,EFI,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(EFI_CFLAGS) -o $(@:.efi=.elf) tests/system/efi/start.S $<
	$(Q)$(CROSS)objcopy -O binary $(@:.efi=.elf) $@

# Hosts that mean harm: tests/hostile/NAME.c, and NAME.S if there is one.
HOSTILE := $(patsubst tests/hostile/%.c,$(HOST)/hostile/%.img,$(sort $(wildcard tests/hostile/*.c)))
$(HOST)/hostile/%.img: tests/hostile/%.c $(wildcard tests/hostile/*.[hS]) tests/system/payload/start.S \
                       tests/lib/start.h tests/system/payload/payload.ld $(wildcard include/keel/*.h) mk/system.mk
	$(call say,HOSTILE,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(PAYLOAD_CFLAGS) -o $(@:.img=.elf) tests/system/payload/start.S $< $(wildcard tests/hostile/$*.S)
	$(Q)$(CROSS)objcopy -O binary $(@:.img=.elf) $@

.PHONY: bundle
bundle: $(HOST)/kernel-6.1-cloud/bundle.cpio

# PYTEST: more arguments for pytest, as in `make test-system PYTEST='-k hotplug'`.
PYTEST ?=
.PHONY: test test-system test-full
test-system: keel bundle $(PAYLOADS) $(HOSTILE) $(EL2_TESTS) $(FIRMWARE) $(EFI_PROGRAMS) ## the quick system tests (QEMU, minutes)
	$(Q)scripts/run-pytest system tests/system -m 'not full' $(PYTEST)

test-full: keel $(PAYLOADS) $(HOSTILE) $(EL2_TESTS) $(FIRMWARE) $(EFI_PROGRAMS) $(EFI_LOADERS) $(KERNELS:%=$(HOST)/%/bundle.cpio) ## every system test: the whole matrix of machines
	$(Q)scripts/run-pytest system-full tests/system $(PYTEST)

test: fetch ## set up, then run every test
	+$(Q)scripts/test
