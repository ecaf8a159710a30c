# SPDX-License-Identifier: BSD-2-Clause
# Native unit tests: every tests/unit/test_*.c is a cmocka program that names the sources it links
# in a `SOURCES:` comment, built with clang under ASan and UBSan. tests/unit/ comes before hyp/ on
# the include path, which puts the fake arch/ in the place of the real one.

UNIT_CC     ?= clang
UNIT_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Wno-unused-parameter -Werror -DKEEL_DEBUG \
               -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-strict-aliasing \
               -Itests/unit -Ihyp -Iinclude -MMD -MP
UNIT_TESTS  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
unit_sources = $(shell sed -n 's/^.*SOURCES: *\(.*[^ ]\) *\*\/.*$$/\1/p' $(1))
unit_libs    = $(shell sed -n 's/^.*LIBS: *\(.*[^ ]\) *\*\/.*$$/\1/p' $(1))

$(BUILD)/unit/%: tests/unit/%.c Makefile mk/unit.mk
	$(call say,TEST-CC,$@)
	@mkdir -p $(@D)
	$(Q)for s in $(call unit_sources,$<) $<; do o=$@.d/$$(echo $$s | tr / _).o; mkdir -p $@.d; \
	  $(UNIT_CC) $(UNIT_CFLAGS) -MT $@ -c -o $$o $$s || exit 1; done
	$(Q)$(UNIT_CC) $(UNIT_CFLAGS) -o $@ $@.d/*.o -lcmocka $(call unit_libs,$<)

-include $(wildcard $(BUILD)/unit/*.d/*.d)

.PHONY: test-unit
test-unit: $(UNIT_TESTS) ## native unit tests under sanitizers (seconds, no QEMU)
	$(Q)scripts/run-unit $(UNIT_TESTS)
