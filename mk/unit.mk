# SPDX-License-Identifier: BSD-2-Clause
# Native unit tests: every tests/unit/test_*.c is a cmocka program that names the sources it links
# in a `SOURCES:` comment, built with clang under ASan and UBSan. tests/unit/ comes before hyp/ on
# the include path, which puts the fake arch/ in the place of the real one.

UNIT_CC     ?= clang
UNIT_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Wno-unused-parameter -Werror -DKEEL_DEBUG \
               -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-strict-aliasing \
               -Itests/unit -Ihyp -Iinclude -MMD -MP
UNIT_SRC    := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS  := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
UNIT_OBJ    := $(BUILD)/unit/obj

# Many tests link the same sources, which are compiled once.
$(BUILD)/unit/tests.mk: $(UNIT_SRC) scripts/test-rules mk/unit.mk
	@mkdir -p $(@D)
	$(Q)scripts/test-rules -v out=$(BUILD)/unit -v obj=$(UNIT_OBJ) $(UNIT_SRC) >$@.new
	$(Q)mv $@.new $@
-include $(BUILD)/unit/tests.mk

.PRECIOUS: $(UNIT_OBJ)/%.o
$(UNIT_OBJ)/%.o: %.c mk/unit.mk
	$(call say,TEST-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_TESTS):
	$(call say,TEST-LD,$@)
	$(Q)$(UNIT_CC) $(UNIT_CFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(TEST_LIBS)

-include $(shell find $(UNIT_OBJ) -name '*.d' 2>/dev/null)

# Programs of several threads, tests/threads/test_*.c, under TSan: their spinlocks are real ones.
THREADS_CFLAGS := $(filter-out -fsanitize=%,$(UNIT_CFLAGS)) -fsanitize=thread
THREADS_CFLAGS := $(subst -Itests/unit,-Itests/threads -Itests/unit,$(THREADS_CFLAGS))
THREADS_SRC    := $(sort $(wildcard tests/threads/test_*.c))
THREADS_TESTS  := $(THREADS_SRC:tests/threads/%.c=$(BUILD)/threads/%)
THREADS_OBJ    := $(BUILD)/threads/obj

$(BUILD)/threads/tests.mk: $(THREADS_SRC) scripts/test-rules mk/unit.mk
	@mkdir -p $(@D)
	$(Q)scripts/test-rules -v out=$(BUILD)/threads -v obj=$(THREADS_OBJ) $(THREADS_SRC) >$@.new
	$(Q)mv $@.new $@
-include $(BUILD)/threads/tests.mk

.PRECIOUS: $(THREADS_OBJ)/%.o
$(THREADS_OBJ)/%.o: %.c mk/unit.mk
	$(call say,TEST-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(THREADS_CFLAGS) -c -o $@ $<

$(THREADS_TESTS):
	$(call say,TEST-LD,$@)
	$(Q)$(UNIT_CC) $(THREADS_CFLAGS) -o $@ $(filter %.o,$^) -lcmocka -lpthread

-include $(shell find $(THREADS_OBJ) -name '*.d' 2>/dev/null)

.PHONY: test-unit
test-unit: $(UNIT_TESTS) $(THREADS_TESTS) ## native unit tests under sanitizers (seconds, no QEMU)
	$(Q)scripts/run-unit $(UNIT_TESTS) $(THREADS_TESTS)
