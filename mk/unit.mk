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
# What a source names in its comments, for the fuzzers.
unit_sources = $(shell sed -n 's/^.*SOURCES: *\(.*[^ ]\) *\*\/.*$$/\1/p' $(1))
unit_libs    = $(shell sed -n 's/^.*LIBS: *\(.*[^ ]\) *\*\/.*$$/\1/p' $(1))

# The same for all unit tests, as rules: the objects that each one links, and its LIBS. Many tests link
# the same sources, which are compiled once.
$(BUILD)/unit/tests.mk: $(UNIT_SRC) mk/unit.mk
	@mkdir -p $(@D)
	$(Q)awk -v out=$(BUILD)/unit -v obj=$(UNIT_OBJ) ' \
	  function words(what) { sub(".*" what ": *", ""); sub(" *\\*/.*", ""); return $$0 } \
	  FNR == 1 { name = FILENAME; gsub(/.*\/|\.c$$/, "", name); source(FILENAME) } \
	  function source(file) { sub(/\.c$$/, ".o", file); print out "/" name ": " obj "/" file } \
	  /\/\* SOURCES: / { n = split(words("SOURCES"), s, " "); for (i = 1; i <= n; i++) source(s[i]); next } \
	  /\/\* LIBS: / { print out "/" name ": UNIT_LIBS := " words("LIBS") }' $(UNIT_SRC) >$@
-include $(BUILD)/unit/tests.mk

.PRECIOUS: $(UNIT_OBJ)/%.o
$(UNIT_OBJ)/%.o: %.c mk/unit.mk
	$(call say,TEST-CC,$<)
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_TESTS):
	$(call say,TEST-LD,$@)
	$(Q)$(UNIT_CC) $(UNIT_CFLAGS) -o $@ $(filter %.o,$^) -lcmocka $(UNIT_LIBS)

-include $(shell find $(UNIT_OBJ) -name '*.d' 2>/dev/null)

.PHONY: test-unit
test-unit: $(UNIT_TESTS) ## native unit tests under sanitizers (seconds, no QEMU)
	$(Q)scripts/run-unit $(UNIT_TESTS)
