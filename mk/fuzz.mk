# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers: every tests/fuzz/fuzz_*.c names the sources it links in a `SOURCES:` comment. It is built
# twice: as a libFuzzer program, and, where it knows FUZZ_STANDALONE, as one that makes a fixed number
# of random steps. `make fuzz` runs both, bounded; by hand: build/fuzz/fuzz_NAME CORPUS.

FUZZ_SECONDS ?= 10
FUZZ_STEPS   ?= 1000000
FUZZ_SEED    ?= 1

FUZZ_CFLAGS     := $(filter-out -MMD -MP,$(UNIT_CFLAGS)) -O2
FUZZ_SRC        := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_STANDALONE := $(shell grep -l FUZZ_STANDALONE /dev/null $(FUZZ_SRC))
FUZZ_TARGETS    := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_STEPPERS   := $(FUZZ_STANDALONE:tests/fuzz/fuzz_%.c=$(BUILD)/fuzz/steps_%)
FUZZ_DEPS       := $(wildcard hyp/*/*.h hyp/*/*.c tests/fuzz/*.h tests/unit/*.h tests/unit/*.c tests/unit/arch/*)

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_DEPS) mk/fuzz.mk
	$(call say,FUZZ-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< $(call unit_sources,$<) $(call unit_libs,$<)

$(BUILD)/fuzz/steps_%: tests/fuzz/fuzz_%.c $(FUZZ_DEPS) mk/fuzz.mk
	$(call say,FUZZ-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(FUZZ_CFLAGS) -DFUZZ_STANDALONE -o $@ $< $(call unit_sources,$<) $(call unit_libs,$<)

.PHONY: fuzz fuzz-build
fuzz-build: $(FUZZ_TARGETS) $(FUZZ_STEPPERS)

fuzz: fuzz-build ## run every fuzzer for FUZZ_SECONDS, and FUZZ_STEPS random steps of each model
	$(Q)set -e; for f in $(FUZZ_STEPPERS); do \
	  echo "  STEPS    $$f $(FUZZ_STEPS)"; $$f $(FUZZ_STEPS) $(FUZZ_SEED); done
	$(Q)set -e; for f in $(FUZZ_TARGETS); do mkdir -p $(BUILD)/fuzz/corpus/$${f##*/}; \
	  echo "  FUZZ     $$f $(FUZZ_SECONDS) s"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 -max_len=4096 \
	    -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$${f##*/} >$$f.log 2>&1 || \
	    { tail -n 40 $$f.log; exit 1; }; done
