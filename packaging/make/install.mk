# Installing and packaging.
# Packages keep the symbols (STRIP=): they go into a package of their own.
STRIP ?= -s
SBINDIR := $(DESTDIR)$(PREFIX)/sbin
BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
UNITDIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
PLUGINDIR := $(DESTDIR)$(PREFIX)/lib/nagios/plugins
# Where zsh looks: Debian's place; Fedora's is share/zsh/site-functions.
ZSHDIR ?= $(PREFIX)/share/zsh/vendor-completions

## make install         programs, manual, units, example configuration (DESTDIR=, PREFIX=/usr)
.PHONY: install
install: all
	install -d $(SBINDIR) $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 $(MANDIR)/man8 $(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(SYSCONFDIR)/penstock/penstock.conf.d $(DESTDIR)$(PREFIX)/share/doc/penstock
	install $(STRIP) -m 755 $(BUILD)/bin/penstockd $(BUILD)/bin/penstock-proxy $(BUILD)/bin/penstock-agent $(BUILD)/bin/penstock-opensmtpd \
		$(SBINDIR)
	install $(STRIP) -m 755 $(BUILD)/bin/penstockctl $(BUILD)/bin/penstock-load $(BUILD)/bin/penstock-sink $(BUILD)/bin/penstock-sim \
		$(BUILD)/bin/penstock-replay $(BINDIR)
	install -D $(STRIP) -m 755 $(BUILD)/bin/penstock-refusals $(DESTDIR)$(PREFIX)/libexec/penstock/penstock-refusals
	install -d $(PLUGINDIR) && install $(STRIP) -m 755 $(BUILD)/bin/check_penstock $(PLUGINDIR)
	install -m 644 packaging/man/*.1 $(MANDIR)/man1
	install -m 644 packaging/man/*.5 $(MANDIR)/man5
	install -m 644 packaging/man/*.7 $(MANDIR)/man7
	install -m 644 packaging/man/*.8 $(MANDIR)/man8
	for unit in packaging/systemd/*.service packaging/systemd/*.socket; do \
		sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/usr/bin/|$(PREFIX)/bin/|; s|/usr/lib/|$(PREFIX)/lib/|; s|/usr/libexec/|$(PREFIX)/libexec/|; s|/etc/|$(SYSCONFDIR)/|' $$unit >$(UNITDIR)/$$(basename $$unit); done
	install -m 644 packaging/systemd/penstock.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/penstock.conf
	install -D -m 644 packaging/systemd/penstock.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/penstock.conf
	install -D -m 644 packaging/systemd/penstock.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/penstock.catalog
	install -D -m 644 packaging/completion/penstockctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/penstockctl
	install -D -m 644 packaging/completion/_penstockctl $(DESTDIR)$(ZSHDIR)/_penstockctl
	install -D -m 644 packaging/completion/penstockctl.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/penstockctl.fish
	[ -e $(DESTDIR)$(SYSCONFDIR)/penstock/penstock.conf ] || install -m 644 packaging/conf/penstock.conf $(DESTDIR)$(SYSCONFDIR)/penstock
	install -D -m 644 packaging/conf/vendor.conf $(DESTDIR)$(PREFIX)/lib/penstock/penstock.conf
	cp -r packaging/snippets packaging/prometheus packaging/grafana packaging/monitoring README.md $(DESTDIR)$(PREFIX)/share/doc/penstock
	cp -r packaging/doc/. $(DESTDIR)$(PREFIX)/share/doc/penstock

# The source as a tarball whose bytes depend on nothing but the files: the same names, order, owners, modes and dates everywhere.
DIST := penstock-$(VERSION)
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell date -d "$$(sed -n 's/^ -- .*>  //p' packaging/debian/changelog | head -1)" +%s)
endif
dist deb rpm sbom: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
## make dist            the source as build/dist/penstock-VERSION.tar.xz
# It is compressed again when its bytes have changed.
.PHONY: dist
dist:
	@mkdir -p build/dist
	@{ if [ -e .git ]; then git ls-files; else find . -name build -prune -o \( -type f -o -type l \) -print | sed 's|^\./||'; fi; } | while read -r file; do [ ! -e "$$file" ] && [ ! -L "$$file" ] || echo "$$file"; done | LC_ALL=C sort | \
		tar --no-recursion --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --format=gnu \
		--mode=u=rwX,go=rX --transform='s|^|$(DIST)/|S' -c -T - >build/dist/$$$$.tmp && sum="$$(sha256sum <build/dist/$$$$.tmp)" && \
		if { [ "$$sum $$(sha256sum <build/dist/$(DIST).tar.xz)" = "$$(cat build/dist/.made)" ]; } 2>/dev/null; then rm build/dist/$$$$.tmp; \
		else xz -6 -T1 build/dist/$$$$.tmp && rm -f build/dist/penstock-*.tar.xz && mv build/dist/$$$$.tmp.xz build/dist/$(DIST).tar.xz && \
			echo "$$sum $$(sha256sum <build/dist/$(DIST).tar.xz)" >build/dist/.made; fi

# The release for which a package is made is part of its version: an upgrade of Debian upgrades the package, too.
DEB_RELEASE ?= $(shell . /etc/os-release 2>/dev/null; [ "$$ID" = debian ] && [ -n "$$VERSION_ID" ] && echo "+deb$$VERSION_ID"u1)
DEB_BUILD_OPTIONS ?= nocheck
DEB_PROFILES ?= nocheck
DEB_ARGS ?= -b
## make deb             Debian packages under build/deb/, made by dpkg-buildpackage (DEB_ARGS=-F: the source package, too; DEB_KEEP=1: its tree stays)
# Several tests ask for the packages at once: the first makes them, and they stand until the source changes.
.PHONY: deb deb-made
deb: deps-deb
	@mkdir -p build && flock build/deb.lock $(MAKE) --no-print-directory deb-made
deb-made: dist
	@made="$$(sha256sum <build/dist/$(DIST).tar.xz) $(DEB_RELEASE) $(DEB_BUILD_OPTIONS) $(DEB_PROFILES) $(DEB_ARGS)"; \
	[ "$$made" = "$$(cat build/deb/.made 2>/dev/null)" ] || { $(MAKE) --no-print-directory deb-build && echo "$$made" >build/deb/.made; }
.PHONY: deb-build
deb-build:
	@rm -rf build/deb && mkdir -p build/deb
	@cp build/dist/$(DIST).tar.xz build/deb/penstock_$(VERSION).orig.tar.xz
	@tar -C build/deb -xf build/dist/$(DIST).tar.xz
	@cp -r build/deb/$(DIST)/packaging/debian build/deb/$(DIST)/debian
	@sed -i '1s/(\([^)]*\))/(\1$(DEB_RELEASE))/' build/deb/$(DIST)/debian/changelog
	@cd build/deb/$(DIST) && DEB_BUILD_OPTIONS="$(DEB_BUILD_OPTIONS) parallel=$$(nproc)" MAKEFLAGS= SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) \
		dpkg-buildpackage -us -uc $(DEB_ARGS) $(addprefix -P,$(DEB_PROFILES)) >../build.log 2>&1 || { tail -30 ../build.log >&2; exit 1; }
	@[ "$(DEB_KEEP)" ] || rm -rf build/deb/$(DIST)

## make rpm             RPM packages under build/rpm/, from the same tarball (rpmbuild; on Debian without its check of build requirements)
.PHONY: rpm
rpm:
	@mkdir -p build && flock build/deb.lock $(MAKE) --no-print-directory dist
	$(call apt_install,rpm)
	@rm -rf build/rpm && mkdir -p build/rpm/SOURCES build/rpm/SPECS
	@cp build/dist/$(DIST).tar.xz build/rpm/SOURCES/
	@cp packaging/rpm/penstock.spec build/rpm/SPECS/
	@MAKEFLAGS= rpmbuild $(if $(wildcard /etc/debian_version),--nodeps) $(RPM_ARGS) -ba --define "_topdir $(CURDIR)/build/rpm" \
		--define "_smp_mflags -j$$(nproc)" build/rpm/SPECS/penstock.spec >build/rpm/build.log 2>&1 || { tail -30 build/rpm/build.log >&2; exit 1; }

## make sbom            the bill of materials as build/dist/penstock-VERSION.spdx.json
.PHONY: sbom
sbom: all
	@mkdir -p build/dist
	@packaging/make/sbom $(VERSION) $(BUILD) >build/dist/$(DIST).spdx.json
