# SPDX-License-Identifier: BSD-2-Clause
# Benchmarks: a bare-metal guest, a host that runs it, `make bench`. docs/bench.md.

BENCH       := $(BUILD)/bench
BENCH_GUEST := 6.1-cloud
BENCH_CFLAGS := -std=gnu11 -ffreestanding -nostdlib -static -fno-pic -mcmodel=tiny -mgeneral-regs-only \
                -mstrict-align -fno-stack-protector -fno-asynchronous-unwind-tables -O2 -Wall -Wextra -Wshadow -Werror \
                -Wl,--build-id=none,--no-warn-rwx-segments -Wl,-T,bench/guest/guest.ld

# The guests that measure operations, and profiling; a guest hypervisor; the first with marks, as its nested
# guest and for bench/trace.py.
BENCH_GUEST_LIB := bench/guest/start.S bench/guest/guest.c
$(BENCH)/ops: bench/guest/ops.c
$(BENCH)/spe: bench/guest/spe.c bench/guest/spe_vectors.S
$(BENCH)/inner: bench/guest/ops.c
$(BENCH)/nested: bench/guest/nested.c bench/guest/nested.S
$(BENCH)/inner $(BENCH)/nested: BENCH_DEFINES := -DMARKS
$(BENCH)/ops $(BENCH)/spe $(BENCH)/inner $(BENCH)/nested: $(BENCH_GUEST_LIB) tests/lib/start.h bench/guest/guest.h bench/guest/guest.ld mk/bench.mk
	$(call say,PAYLOAD,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(BENCH_CFLAGS) $(BENCH_DEFINES) -o $@.elf $(filter %.c %.S,$^)
	$(Q)$(CROSS)objcopy -O binary $@.elf $@

# The guest that is a kernel, and tells when it began.
$(BENCH)/kernel: bench/guest/kernel.S tests/lib/start.h bench/guest/guest.ld mk/bench.mk $(ARM64)/kernel-$(BENCH_GUEST)/VERSION
	$(call say,PAYLOAD,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(BENCH_CFLAGS) -DKERNEL='"$(ARM64)/kernel-$(BENCH_GUEST)/vmlinuz"' -o $@.elf bench/guest/kernel.S
	$(Q)$(CROSS)objcopy -O binary $@.elf $@

# Programs for the host.
BENCH_PROGRAMS := $(patsubst bench/host/%.c,$(BENCH)/%,$(sort $(wildcard bench/host/*.c)))
$(BENCH_PROGRAMS): $(BENCH)/%: bench/host/%.c bench/host/ticks.h mk/bench.mk
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -O2 -Wall -Wextra -Wshadow -Werror -o $@ $<

# What bench/trace.py has QEMU load.
$(BENCH)/trace.so: bench/plugin/trace.c mk/bench.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -shared -fPIC -fvisibility=hidden -O2 -Wall -Wextra -Wshadow -Werror -o $@ $<

# The initial RAM disk of a guest hypervisor: what a host has to run a guest.
$(BENCH)/outer-initrd: $(HOST)/kernel-$(BENCH_GUEST)/initrd $(VMRUN) $(BENCH)/inner $(BENCH)/kernel bench/guest/outer
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/etc $@.root/bin $@.root/bench
	$(Q)install -m 755 bench/guest/outer $@.root/etc/autostart
	$(Q)install -m 755 $(VMRUN) $@.root/bin/vmrun
	$(Q)cp $(BENCH)/inner $(BENCH)/kernel $(HOST)/kernel-$(BENCH_GUEST)/initrd $@.root/bench
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

# What a guest's initial RAM disk has besides that sends requests to QEMU's devices.
$(BENCH)/requests: bench/guest/requests.c bench/host/ticks.h mk/bench.mk
	$(call say,GUEST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -O2 -Wall -Wextra -Wshadow -Werror -o $@ $<

$(BENCH)/requests.cpio: $(BENCH)/requests bench/guest/requests
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/etc $@.root/bench
	$(Q)install -m 755 bench/guest/requests $@.root/etc/autostart
	$(Q)install -m 755 $(BENCH)/requests $@.root/bench
	$(Q)$(call append_cpio,$@.root) >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

# The host: a guests' host that measures by itself. On stock KVM it is the same one; keel.ko refuses to be
# loaded there.
.PRECIOUS: $(BENCH)/host-%/initrd
$(BENCH)/host-%/initrd: $(HOST)/kernel-%/guests-initrd $(HOST)/kernel-$(BENCH_GUEST)/initrd $(BENCH)/ops $(BENCH)/spe $(BENCH)/kernel \
                        $(BENCH)/nested $(BENCH)/inner $(BENCH)/outer-initrd $(BENCH_PROGRAMS) bench/host/autostart
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $@.root/etc $@.root/bench
	$(Q)install -m 755 bench/host/autostart $@.root/etc/autostart
	$(Q)install -m 755 $(BENCH_PROGRAMS) $@.root/bench
	$(Q)cp $(BENCH)/ops $(BENCH)/spe $(BENCH)/nested $(BENCH)/inner $(BENCH)/kernel $(BENCH)/outer-initrd $(HOST)/kernel-$(BENCH_GUEST)/initrd $@.root/bench
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

# The same with Debian's QEMU as the VMM.
.PRECIOUS: $(BENCH)/host-%/qemu-initrd
$(BENCH)/host-%/qemu-initrd: $(HOST)/kernel-%/guests-initrd $(BENCH)/requests.cpio bench/host/autostart $(ARM64)/qemu/VERSION scripts/needed-libraries
	$(call say,INITRD,$@)
	$(Q)rm -rf $@.root && mkdir -p $(@D)
	$(Q)$(PYTHON) scripts/needed-libraries $(ARM64)/qemu/root usr/bin/qemu-system-aarch64 $@.root
	$(Q)mkdir -p $@.root/etc $@.root/bench
	$(Q)install -m 755 bench/host/autostart $@.root/etc/autostart
	$(Q)cp $(BENCH)/requests.cpio $@.root/bench
	$(Q){ cat $<; $(call append_cpio,$@.root); } >$@.new
	$(Q)rm -rf $@.root && mv $@.new $@

BENCH_QUICK := 6.1-cloud
BENCH_FULL  := 6.1-cloud 6.12-cloud

# One's exit status must not hide another's: all run, and each can fail.
.PHONY: bench bench-full bench-nested bench-trace bench-uefi
bench: $(BUILD)/release/keel.img bundle $(BENCH_QUICK:%=$(BENCH)/host-%/initrd) $(BENCH_QUICK:%=$(BENCH)/host-%/qemu-initrd) ## instruction counts and sizes against their targets, Keel beside stock KVM
	$(Q)$(PYTHON) bench/boot.py --build $(BUILD); boot=$$?; \
	  $(PYTHON) bench/ops.py --build $(BUILD); ops=$$?; \
	  $(PYTHON) bench/virtio.py --build $(BUILD); virtio=$$?; \
	  $(PYTHON) bench/spe.py --build $(BUILD) && [ $$ops$$virtio = 00 ] && exit $$boot

bench-uefi: $(BUILD)/release/keel.img bundle $(ARM64)/grub/VERSION ## a boot by UEFI and GRUB in instructions, below Keel and without
	$(Q)$(PYTHON) bench/uefi.py --build $(BUILD)

bench-full: $(BUILD)/release/keel.img bundle $(BENCH_FULL:%=$(BENCH)/host-%/initrd) $(BENCH_FULL:%=$(BENCH)/host-%/qemu-initrd) ## `make bench` with every host kernel and CPU model, each measured twice
	$(Q)$(PYTHON) bench/boot.py --build $(BUILD); boot=$$?; \
	  $(PYTHON) bench/ops.py --full --twice --build $(BUILD); ops=$$?; \
	  $(PYTHON) bench/virtio.py --full --twice --build $(BUILD); virtio=$$?; \
	  $(PYTHON) bench/ipa.py --build $(BUILD) || exit $$?; \
	  $(PYTHON) bench/spe.py --full --twice --build $(BUILD) && [ $$ops$$virtio = 00 ] && exit $$boot

$(ARM64)/kernel-trixie-cloud/VERSION: scripts/fetch-newest-kernel scripts/apt-view.sh
	$(call say,FETCH,kernel-trixie-cloud)
	$(Q)scripts/fetch-newest-kernel

bench-nested: $(BUILD)/release/keel.img $(BENCH)/host-6.1-cloud/initrd $(ARM64)/kernel-trixie-cloud/VERSION ## what guest hypervisors cost, in instructions and exits, Keel beside stock KVM
	$(Q)$(PYTHON) bench/nested.py --build $(BUILD)

bench-trace: $(BUILD)/release/keel.img $(BENCH)/host-6.1-cloud/initrd $(BENCH)/trace.so ## what one operation of a VM consists of, instruction by instruction, Keel beside stock KVM
	$(Q)$(PYTHON) bench/trace.py --build $(BUILD)

CHECK_FORMAT += $(sort $(wildcard bench/*/*.c))
