# SPDX-License-Identifier: BSD-2-Clause
# Guest payloads: bare-metal programs that vmrun starts in place of a kernel, one a file in
# tests/guest, and the programs of tests/guest/host, which run beside them in the host.

GUEST        := $(BUILD)/guest
GUEST_SRC    := $(sort $(wildcard tests/guest/*.c))
GUEST_IMAGES := $(GUEST_SRC:tests/guest/%.c=$(GUEST)/%.img)
GUEST_LIB    := $(sort $(wildcard tests/guest/lib/*.[cS]))
GUEST_HOST   := $(patsubst tests/guest/host/%.c,$(GUEST)/bin/%,$(sort $(wildcard tests/guest/host/*.c)))
# tests/guest/NAME.S belongs to tests/guest/NAME.c.
GUEST_CFLAGS := -std=gnu11 -ffreestanding -nostdlib -static -fno-pic -mgeneral-regs-only -mstrict-align \
                -mbranch-protection=none -mno-outline-atomics -fno-stack-protector -fno-asynchronous-unwind-tables -O2 -g -Wall -Wextra \
                -Wshadow -Wmissing-prototypes -Werror -Wl,--build-id=none,--no-warn-rwx-segments \
                -Wl,-T,tests/guest/lib/guest.ld

.PRECIOUS: $(GUEST)/%.img $(GUEST)/bin/%
$(GUEST)/%.img: tests/guest/%.c $(wildcard tests/guest/*.S) $(GUEST_LIB) tests/lib/start.h $(wildcard tests/guest/lib/*.h) tests/guest/lib/guest.ld mk/guest.mk
	$(call say,PAYLOAD,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc $(GUEST_CFLAGS) -o $(@:.img=.elf) $(GUEST_LIB) $(wildcard tests/guest/$*.S) $<
	$(Q)$(CROSS)objcopy -O binary $(@:.img=.elf) $@

$(GUEST)/bin/%: tests/guest/host/%.c mk/guest.mk
	$(call say,HOST-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CROSS)gcc -std=gnu11 -D_GNU_SOURCE -static -pthread -O2 -Wall -Wextra -Wshadow -Werror -o $@ $<

.PHONY: payloads
payloads: $(GUEST_IMAGES) $(GUEST_HOST) ## build the guest payloads

CHECK_FORMAT += $(sort $(wildcard tests/guest/*.c tests/guest/*/*.[ch]))
