# SPDX-License-Identifier: BSD-2-Clause
# Keel's build: GNU make, not recursive, everything made lands in $(BUILD).
# `make help` lists what can be made. Each part of the tree has its rules in mk/.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD  ?= build
CROSS  ?= aarch64-linux-gnu-
PYTHON ?= /usr/bin/python3
# V=1 shows the commands.
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-8s %s\n' '$(1)' '$(2)')

include mk/libfdt.mk
include mk/hyp.mk
include mk/unit.mk
include mk/fuzz.mk
include mk/coverage.mk
include mk/tools.mk
include mk/system.mk
include mk/guest.mk
include mk/linux.mk
include mk/check.mk
include mk/vmrun.mk
include mk/keelctl.mk
include mk/bench.mk
include mk/clients.mk
include mk/deb.mk

.PHONY: all help clean
all: keel tools ## build Keel (release and debug) and its tools

help: ## list what can be made
	@awk -F':.*## ' '/^[a-z][a-z0-9_-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile mk/*.mk | sort

clean: ## remove everything that was built (downloads stay)
	$(Q)find $(BUILD) -mindepth 1 -maxdepth 1 ! -name downloads -exec rm -rf {} + 2>/dev/null || true
