# SPDX-License-Identifier: BSD-2-Clause
# Line coverage of hyp/ by the unit tests and the fuzzers' random steps, which are built a third time for
# it, without sanitizers. `make coverage` prints it by folder.

COVER_STEPS ?= 20000
COVERAGE    := $(BUILD)/coverage
COVER_OBJ   := $(COVERAGE)/obj
COVER_SOBJ  := $(COVERAGE)/steps-obj
COVER_UNIT  := $(UNIT_SRC:tests/unit/%.c=$(COVERAGE)/unit/%)
COVER_FUZZ  := $(FUZZ_STANDALONE:tests/fuzz/fuzz_%.c=$(COVERAGE)/fuzz/steps_%)
COVER_CFLAGS := $(filter-out -fsanitize=% -fno-sanitize%,$(UNIT_CFLAGS)) -fprofile-instr-generate -fcoverage-mapping

ifneq ($(filter coverage,$(MAKECMDGOALS)),)
$(COVERAGE)/tests.mk: $(UNIT_SRC) $(FUZZ_SRC) scripts/test-rules mk/coverage.mk
	@mkdir -p $(@D)
	$(Q)scripts/test-rules -v out=$(COVERAGE)/unit -v obj=$(COVER_OBJ) $(UNIT_SRC) >$@.new
	$(Q)scripts/test-rules -v out=$(COVERAGE)/fuzz -v obj=$(COVER_SOBJ) -v as=steps_ $(FUZZ_STANDALONE) >>$@.new
	$(Q)mv $@.new $@
-include $(COVERAGE)/tests.mk
-include $(shell find $(COVER_OBJ) $(COVER_SOBJ) -name '*.d' 2>/dev/null)
endif

.PRECIOUS: $(COVER_OBJ)/%.o $(COVER_SOBJ)/%.o
$(COVER_OBJ)/%.o: %.c mk/coverage.mk mk/unit.mk
	$(call say,COVER-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(COVER_CFLAGS) -c -o $@ $<

$(COVER_SOBJ)/%.o: %.c mk/coverage.mk mk/unit.mk
	$(call say,COVER-CC,$< (steps))
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(COVER_CFLAGS) -DFUZZ_STANDALONE -c -o $@ $<

$(COVER_UNIT) $(COVER_FUZZ):
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(COVER_CFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(TEST_LIBS)

.PHONY: coverage
coverage: $(COVER_UNIT) $(COVER_FUZZ) ## line coverage of hyp/ by unit tests and random steps, by folder
	$(Q)scripts/coverage $(COVERAGE) $(COVER_STEPS) $(COVER_UNIT) $(COVER_FUZZ)
