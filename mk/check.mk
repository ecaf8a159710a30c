# SPDX-License-Identifier: BSD-2-Clause
# Static checks: format, comments, includes, names, clang-tidy (.clang-tidy), cppcheck, Python syntax, shell syntax.

CHECK_C      := $(sort $(wildcard hyp/*/*.c))
CHECK_FORMAT := $(sort $(wildcard hyp/*/*.[ch] hyp/*/*/*.[ch] include/*/*.h tests/unit/*.[ch] tests/unit/*/*.[ch] tests/threads/*.[ch] tests/threads/*/*.[ch] \
                  tests/fuzz/*.[ch] tests/system/*/*.c tests/el2/*.c tests/hostile/*.[ch] tests/kvm/*.[ch] linux/*.[ch]))
# clang sees the same headers as the cross compiler, so the whole of hyp/ is checked as it is built.
CHECK_CFLAGS := -DKEEL_VERSION='"$(KEEL_VERSION)"' --target=aarch64-linux-gnu -std=gnu11 -ffreestanding -mgeneral-regs-only -DKEEL_DEBUG \
                -Ihyp -Iinclude $(LIBFDT_INC)

.PHONY: check check-format check-text check-layers check-names check-tidy check-cppcheck check-scripts
check: check-format check-text check-layers check-names check-tidy check-cppcheck check-scripts ## format and static analysis

check-format:
	$(call say,FORMAT,$(words $(CHECK_FORMAT)) files)
	$(Q)clang-format --dry-run -Werror $(CHECK_FORMAT)

# The formatter leaves comments and strings as they are written (.clang-format).
CHECK_TEXT := $(sort $(CHECK_FORMAT) $(wildcard tools/*/*.[ch] bench/guest/*.[ch] tests/guest/*.[ch] tests/*/*/*.[ch]))
check-text:
	$(call say,TEXT,$(words $(CHECK_TEXT)) files)
	$(Q)$(PYTHON) scripts/check-text $(CHECK_TEXT)

check-layers:
	$(call say,LAYERS,hyp linux)
	$(Q)$(PYTHON) scripts/check-layers

# Folders whose functions have names of their own each, since a backtrace prints nothing else.
CHECK_NAMES := hyp linux
check-names:
	$(call say,NAMES,$(CHECK_NAMES))
	$(Q)$(PYTHON) scripts/check-names $(CHECK_NAMES)

TIDY_STAMPS := $(CHECK_C:%=$(BUILD)/tidy/%.ok)
$(BUILD)/tidy/%.c.ok: %.c .clang-tidy $(sort $(wildcard hyp/*/*.h hyp/*/*/*.h)) | $(LIBFDT_STAMP)
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(CHECK_CFLAGS) 2>$@.log || { cat $@.log; exit 1; }
	$(Q)touch $@
check-tidy: $(TIDY_STAMPS)

# A compound literal with a designator, as in PA(x), looks to cppcheck like an assignment: so no
# unknownEvaluationOrder (clang has -Wunsequenced).
check-cppcheck: $(LIBFDT_STAMP)
	$(call say,CPPCHECK,hyp)
	@mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownEvaluationOrder --error-exitcode=1 \
	  --cppcheck-build-dir=$(BUILD)/cppcheck -D__aarch64__ -DKEEL_DEBUG -Ihyp -Iinclude $(sort $(wildcard hyp/*/*.c))

CHECK_SH := scripts/apt-view.sh .ci/run tools/keel-esp $(wildcard tests/install/*-* tests/install/init debian/*.p*) $(shell grep -l '^\#!/bin/bash' scripts/*)
CHECK_PY := tools/mkbundle $(shell grep -l '^\#!/usr/bin/.*python3' scripts/*) $(sort $(wildcard tests/system/*.py tests/guests/*.py tests/clients/*.py tests/install/*.py tests/tools/*.py bench/*.py))
check-scripts:
	$(call say,SCRIPTS,$(words $(CHECK_SH) $(CHECK_PY)) files)
	$(Q)for s in $(CHECK_SH); do bash -n $$s || exit 1; done
	$(Q)for p in $(CHECK_PY); do $(PYTHON) -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' $$p || exit 1; done
