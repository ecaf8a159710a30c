# SPDX-License-Identifier: BSD-2-Clause
# keel.img: EL2, freestanding. Two variants: release, and debug (checks and symbols built in).

HYP_CC      := $(CROSS)gcc
HYP_LD      := $(CROSS)ld
HYP_OBJCOPY := $(CROSS)objcopy
HYP_NM      := $(CROSS)nm

HYP_WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
            -Wundef -Wvla -Werror
# Strict alignment: the first code runs with the MMU off, where all memory is Device memory.
# No jump tables and no FP registers: the guest's stay in the registers until they must move.
KEEL_VERSION := $(shell sed -n 's/^\#define KEEL_VERSION "\(.*\)"$$/\1/p' include/keel/version.h)

HYP_CFLAGS := -std=gnu11 -DKEEL_VERSION='"$(KEEL_VERSION)"' -ffreestanding -nostdinc -isystem $(shell $(HYP_CC) -print-file-name=include 2>/dev/null) \
              -Ihyp -Iinclude -include hyp/lib/hidden.h $(LIBFDT_INC) -mgeneral-regs-only -mstrict-align -fpie -fvisibility=hidden \
              -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing \
              -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -ffunction-sections -fdata-sections \
              -march=armv8-a+crc -mbranch-protection=none -mno-outline-atomics -g -MMD -MP $(HYP_WARN)
HYP_CFLAGS_release := -Os
HYP_CFLAGS_debug   := -O1 -DKEEL_DEBUG

# What a guest's exit and its memory go through is for speed, the rest for size.
HYP_HOT := vm/run vm/exit vm/switch vm/fp vm/vm_table vm/guest_mem vm/s2_context mm/vmid mm/pgtable mm/stage2 mm/ownership mm/page_pool mm/el2_map \
           host/host_mem trap/trap trap/abort trap/mmio trap/sysreg trap/guest_smccc \
           trap/guest_psci vgic/vgic vgic/vgic_mmio timer/timer host/vm_calls host/hypercall host/host_trap \
           spe/spe_arm spe/spe_regs spe/spe_buffer spe/spe_filter spe/spe_insn spe/spe_insn_eval spe/spe_packet \
           spe/spe_emul spe/spe_hit spe/spe_guest spe/spe_sample spe/spe_vcpu trap/debug trap/device \
           nested/nested_stage nested/nested_trap nested/nested_at nested/nested_fast nested/nested_regs nested/nested_tlbi nested/nested_exception \
           nested/nested_vgic nested/nested_lr nested/nested_route nested/nested_timer nested/shadow nested/shadow_fault nested/s2_walk nested/s2_compose

HYP_SRC_C := $(sort $(wildcard hyp/*/*.c))
HYP_SRC_S := $(sort $(wildcard hyp/*/*.S))

HIT_FIXED := $(patsubst %,-ffixed-x%,12 13 14 15 16 17 18)

# $(1): variant
define hyp_variant
HYP_OBJ_$(1) := $$(HYP_SRC_C:hyp/%.c=$(BUILD)/$(1)/hyp/%.o) \
                $$(HYP_SRC_S:hyp/%.S=$(BUILD)/$(1)/hyp/%.S.o) \
                $$(LIBFDT_SRC_NAMES:%.c=$(BUILD)/$(1)/libfdt/%.o)

$(BUILD)/$(1)/hyp/%.o: hyp/%.c $$(LIBFDT_STAMP) Makefile mk/hyp.mk
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$(HYP_CC) $$(HYP_CFLAGS) $$(HYP_CFLAGS_$(1)) $$(HYP_ALIGN) -c -o $$@ $$<

# Records are built, with the MMU on and on EL2's own stack, by stores that are not aligned.
$(BUILD)/$(1)/hyp/spe/spe_packet.o $(BUILD)/$(1)/hyp/spe/spe_sample.o: HYP_ALIGN := -mno-strict-align

# spe_false_hit() and nested_fast() are fast exits (vm/exit.h), leaves, and nobody's frame is above them: x29 is the guest's.
# So are x12 to x18, which enter.S does not save for them; nor does what they call in a debug build use them
# (tests/tools/test_fast_exits.py).
$(BUILD)/$(1)/hyp/spe/spe_hit.o $(BUILD)/$(1)/hyp/nested/nested_fast.o: HYP_ALIGN := -fomit-frame-pointer -momit-leaf-frame-pointer $(HIT_FIXED)
$(BUILD)/$(1)/hyp/cpu/lock_check.o: HYP_ALIGN := $(HIT_FIXED)

$$(HYP_HOT:%=$(BUILD)/release/hyp/%.o): HYP_CFLAGS_release := -O2

$(BUILD)/$(1)/hyp/%.S.o: hyp/%.S Makefile mk/hyp.mk
	$$(call say,AS,$$@)
	@mkdir -p $$(@D)
	$(Q)$(HYP_CC) $$(HYP_CFLAGS) $$(HYP_CFLAGS_$(1)) -D__ASSEMBLY__ -c -o $$@ $$<

# libfdt checks each offset against header fields that it reads a byte at a time, to allow for any
# alignment. fdt.c reads no other memory than aligned words; told that the CPU can do unaligned
# accesses the compiler makes one load of each, which is a third of all that boot does.
# FDT_ASSUME_MASK 12: no tree of an old version (host_fdt_check() refuses those), and a failed edit
# need not be undone (its tree is thrown away).
$(BUILD)/$(1)/libfdt/fdt.o: HYP_LIBFDT_ALIGN := -mno-strict-align -O3
$(BUILD)/$(1)/libfdt/%.o: $$(LIBFDT_STAMP) mk/hyp.mk
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$(HYP_CC) $$(filter-out $$(HYP_WARN),$$(HYP_CFLAGS)) $$(HYP_CFLAGS_$(1)) -O2 -DFDT_ASSUME_MASK=12 $$(HYP_LIBFDT_ALIGN) -w -c -o $$@ $(LIBFDT_DIR)/$$*.c

# Linked twice: the second time with the symbol table of the first. The table lies behind the text,
# so that it moves nothing that it names.
$(BUILD)/$(1)/keel.pass1.elf: $$(HYP_OBJ_$(1)) hyp/boot/keel.ld scripts/ksyms
	$$(call say,LD,$$@)
	$(Q)$(PYTHON) scripts/ksyms /dev/null >$(BUILD)/$(1)/ksyms0.S
	$(Q)$(HYP_CC) -c -o $(BUILD)/$(1)/ksyms0.o $(BUILD)/$(1)/ksyms0.S
	$(Q)$(HYP_LD) $$(HYP_LDFLAGS) -o $$@ $$(HYP_OBJ_$(1)) $(BUILD)/$(1)/ksyms0.o

$(BUILD)/$(1)/keel.elf: $(BUILD)/$(1)/keel.pass1.elf
	$$(call say,LD,$$@)
	$(Q)$(HYP_NM) -n $$< >$(BUILD)/$(1)/keel.syms
	$(Q)$(PYTHON) scripts/ksyms $(if $(filter %debug,$(1)),$(BUILD)/$(1)/keel.syms,/dev/null) >$(BUILD)/$(1)/ksyms1.S
	$(Q)$(HYP_CC) -c -o $(BUILD)/$(1)/ksyms1.o $(BUILD)/$(1)/ksyms1.S
	$(Q)$(HYP_LD) $$(HYP_LDFLAGS) -o $$@ $$(HYP_OBJ_$(1)) $(BUILD)/$(1)/ksyms1.o

$(BUILD)/$(1)/keel.img: $(BUILD)/$(1)/keel.elf
	$$(call say,IMG,$$@)
	$(Q)$(HYP_OBJCOPY) -O binary $$< $$@

-include $$(HYP_OBJ_$(1):.o=.d)
endef

HYP_LDFLAGS := -T hyp/boot/keel.ld -pie --no-dynamic-linker -z text -z notext -z max-page-size=4096 \
               --gc-sections --fix-cortex-a53-843419 --orphan-handling=error -Bsymbolic --build-id=none --no-warn-rwx-segments

$(eval $(call hyp_variant,release))
$(eval $(call hyp_variant,debug))

.PHONY: keel
keel: $(BUILD)/release/keel.img $(BUILD)/debug/keel.img ## build keel.img, release and debug
