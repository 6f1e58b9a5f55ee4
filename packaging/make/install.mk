# Installing and packaging.
SBINDIR := $(DESTDIR)$(PREFIX)/sbin
BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
UNITDIR := $(DESTDIR)$(PREFIX)/lib/systemd/system

## make install         programs, manual, units, example configuration (DESTDIR=, PREFIX=/usr)
.PHONY: install
install: all
	install -d $(SBINDIR) $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 $(MANDIR)/man8 $(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(SYSCONFDIR)/penstock/penstock.conf.d $(DESTDIR)$(PREFIX)/share/doc/penstock
	install -s -m 755 $(BUILD)/bin/penstockd $(BUILD)/bin/penstock-proxy $(SBINDIR)
	install -s -m 755 $(BUILD)/bin/penstockctl $(BUILD)/bin/penstock-load $(BUILD)/bin/penstock-sink $(BUILD)/bin/penstock-sim \
		$(BUILD)/bin/penstock-replay $(BINDIR)
	install -d $(DESTDIR)$(PREFIX)/lib/nagios/plugins && install -s -m 755 $(BUILD)/bin/check_penstock $(DESTDIR)$(PREFIX)/lib/nagios/plugins
	install -m 644 packaging/man/*.1 $(MANDIR)/man1
	install -m 644 packaging/man/*.5 $(MANDIR)/man5
	install -m 644 packaging/man/*.7 $(MANDIR)/man7
	install -m 644 packaging/man/*.8 $(MANDIR)/man8
	for unit in packaging/systemd/*.service packaging/systemd/*.socket; do \
		sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/usr/bin/|$(PREFIX)/bin/|; s|/etc/|$(SYSCONFDIR)/|' $$unit >$(UNITDIR)/$$(basename $$unit); done
	install -m 644 packaging/systemd/penstock.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/penstock.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/penstock/penstock.conf ] || install -m 644 packaging/conf/penstock.conf $(DESTDIR)$(SYSCONFDIR)/penstock
	cp -r packaging/snippets packaging/prometheus README.md $(DESTDIR)$(PREFIX)/share/doc/penstock
	install -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/penstock/copyright

## make deb             a Debian package under build/deb/: installed in observe mode, enforcing nothing
.PHONY: deb
deb:
	@rm -rf build/deb && mkdir -p build/deb/tree/DEBIAN
	@$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/build/deb/tree PREFIX=/usr SYSCONFDIR=/etc >/dev/null
	@packaging/debian/control $(VERSION) build/deb/tree >build/deb/tree/DEBIAN/control
	@echo /etc/penstock/penstock.conf >build/deb/tree/DEBIAN/conffiles
	@install -m 755 packaging/debian/postinst packaging/debian/prerm packaging/debian/postrm build/deb/tree/DEBIAN/
	@dpkg-deb --root-owner-group --build build/deb/tree build/deb/penstock_$(VERSION)_$$(dpkg --print-architecture).deb
