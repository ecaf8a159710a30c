# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers: every tests/fuzz/fuzz_*.c names the sources it links in a `SOURCES:` comment. It is built
# twice: as a libFuzzer program, and, where it knows FUZZ_STANDALONE, as one that makes a fixed number
# of random steps. `make fuzz` runs both, bounded; by hand: build/fuzz/fuzz_NAME CORPUS.

FUZZ_SECONDS ?= 10
FUZZ_STEPS   ?= 1000000
FUZZ_SEED    ?= 1

FUZZ_CFLAGS     := $(UNIT_CFLAGS) -O2
FUZZ_SRC        := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_STANDALONE := $(shell grep -l FUZZ_STANDALONE /dev/null $(FUZZ_SRC))
FUZZ_TARGETS    := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_STEPPERS   := $(FUZZ_STANDALONE:tests/fuzz/fuzz_%.c=$(BUILD)/fuzz/steps_%)
FUZZ_OBJ        := $(BUILD)/fuzz/obj
STEPS_OBJ       := $(BUILD)/fuzz/steps-obj

$(BUILD)/fuzz/tests.mk: $(FUZZ_SRC) scripts/test-rules mk/fuzz.mk
	@mkdir -p $(@D)
	$(Q)scripts/test-rules -v out=$(BUILD)/fuzz -v obj=$(FUZZ_OBJ) $(FUZZ_SRC) >$@.new
	$(Q)scripts/test-rules -v out=$(BUILD)/fuzz -v obj=$(STEPS_OBJ) -v as=steps_ $(FUZZ_STANDALONE) >>$@.new
	$(Q)mv $@.new $@
-include $(BUILD)/fuzz/tests.mk

.PRECIOUS: $(FUZZ_OBJ)/%.o $(STEPS_OBJ)/%.o
$(FUZZ_OBJ)/%.o: %.c mk/fuzz.mk mk/unit.mk
	$(call say,FUZZ-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(STEPS_OBJ)/%.o: %.c mk/fuzz.mk mk/unit.mk
	$(call say,FUZZ-CC,$< (steps))
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(FUZZ_CFLAGS) -DFUZZ_STANDALONE -c -o $@ $<

$(FUZZ_TARGETS): FUZZ_LINK := -fsanitize=fuzzer
$(FUZZ_TARGETS) $(FUZZ_STEPPERS):
	$(call say,FUZZ-LD,$@)
	$(Q)$(UNIT_CC) $(FUZZ_CFLAGS) $(FUZZ_LINK) -o $@ $(filter %.o,$^) $(TEST_LIBS)

-include $(shell find $(FUZZ_OBJ) $(STEPS_OBJ) -name '*.d' 2>/dev/null)

FUZZ_RUNS := $(FUZZ_STEPPERS:$(BUILD)/fuzz/%=run-%) $(FUZZ_TARGETS:$(BUILD)/fuzz/%=run-%)

.PHONY: fuzz fuzz-build $(FUZZ_RUNS)
fuzz-build: $(FUZZ_TARGETS) $(FUZZ_STEPPERS)

fuzz: $(FUZZ_RUNS) ## run every fuzzer for FUZZ_SECONDS, and FUZZ_STEPS random steps of each model

# A step of an ITS may save and restore all tables: it takes as long as fifty of the others.
run-steps_its: FUZZ_STEPS := 20000
# After each step of a guest hypervisor all shadows are checked.
run-steps_nested: FUZZ_STEPS := 200000
$(filter run-steps_%,$(FUZZ_RUNS)): run-%: $(BUILD)/fuzz/%
	@echo "  STEPS    $< $(FUZZ_STEPS)"
	$(Q)$< $(FUZZ_STEPS) $(FUZZ_SEED)

$(filter run-fuzz_%,$(FUZZ_RUNS)): run-%: $(BUILD)/fuzz/%
	@echo "  FUZZ     $< $(FUZZ_SECONDS) s"
	@mkdir -p $(BUILD)/fuzz/corpus/$(<F)
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 -max_len=4096 \
	  -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$(<F) >$<.log 2>&1 || { tail -n 40 $<.log; exit 1; }
