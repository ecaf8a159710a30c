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

# Debian's disk is made once, in a quarter of an hour or more, and not changed by tests.
INSTALL := $(BUILD)/install
INSTALL_KERNEL := kernel-6.1-cloud
.PRECIOUS: $(INSTALL)/disk.img
$(INSTALL)/disk.img: tests/install/make-disk tests/install/init tests/install/second-stage | $(HOST)/$(INSTALL_KERNEL)/initrd
	$(call say,DISK,$@)
	$(Q)tests/install/make-disk $(INSTALL) $(ARM64)/$(INSTALL_KERNEL)/vmlinuz $(HOST)/$(INSTALL_KERNEL)/initrd

.PHONY: test-install
test-install: deb $(INSTALL)/disk.img $(HOST)/$(INSTALL_KERNEL)/guest-initrd ## Debian on an emulated disk installs the packages, runs guests, removes them (an hour; as root)
	$(Q)scripts/run-pytest install tests/install $(PYTEST)
