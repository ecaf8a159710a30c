# SPDX-License-Identifier: BSD-2-Clause
# Debian's packages, and a machine that installs them. $(BUILD)/deb/keel is a copy of the tree, since
# packages land beside the tree that they are built in.

DEB := $(BUILD)/deb

# Build-dependencies are what scripts/packages lists, which scripts/deps sees to; dpkg's own check
# (-d leaves it out) wants a C++ compiler, too.
.PHONY: deb
deb: $(ARM64)/libfdt/VERSION $(LIBFDT_STAMP) ## build the Debian packages, in $(BUILD)/deb
	$(call say,DEB,$(DEB))
	$(Q)rm -rf $(DEB) && mkdir -p $(DEB)/keel/build
	$(Q)git ls-files -z -co --exclude-standard | xargs -0 cp -p --parents -t $(DEB)/keel
	$(Q)ln -s $(abspath $(BUILD))/downloads $(DEB)/keel/build/downloads
	$(Q)cd $(DEB)/keel && DEB_BUILD_OPTIONS='noautodbgsym parallel=$(shell nproc)' \
	  dpkg-buildpackage -d -b -aarm64 -us -uc >../log 2>&1 || { tail -n 30 ../log; exit 1; }
	$(Q)lintian --allow-root --fail-on error,warning $(DEB)/keel_*.changes
