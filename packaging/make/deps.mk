# What the build and the tests need, as Debian packages.
BUILD_DEPS := build-essential pkg-config clang llvm bpftool libbpf-dev libevent-dev libnl-3-dev libnl-route-3-dev \
	libsystemd-dev libncurses-dev libjansson-dev libinih-dev libxxhash-dev libhiredis-dev libssl-dev python3
# What `make check` needs of them.
CHECK_DEPS := libcmocka-dev clang-format cppcheck
TEST_DEPS := $(CHECK_DEPS) libclang-rt-14-dev iproute2 openssl procps systemd-container \
	mmdebstrap debhelper dpkg-dev lintian rpm rpmlint checkpolicy semodule-utils curl \
	qemu-system-x86 e2fsprogs
# What the tests use where it is available; without it they skip: a browser.
TEST_WANTS := chromium-headless-shell fonts-dejavu-core

# Says which of these packages are missing, and what installs them.
define need_packages
	@command -v dpkg-query >/dev/null || exit 0; missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || { echo "make: these Debian packages are missing:$$missing. Run \`sudo make deps-test\`." >&2; exit 1; }
endef

define apt_install
	@missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ $$(id -u) -ne 0 ]; then echo "make: these Debian packages are missing:$$missing; install them, or run this as root" >&2; exit 1; fi; \
	echo "installing:$$missing"; export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -y -qq --no-install-recommends $$missing >build/apt.log 2>&1 || \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; } >build/apt.log 2>&1 || { tail -5 build/apt.log >&2; exit 1; }
endef

## make deps            install what the build needs (Debian packages)
.PHONY: deps
deps:
	@mkdir -p build
	$(call apt_install,$(BUILD_DEPS))

## make deps-test       install what the tests need besides
.PHONY: deps-test
deps-test: deps
	$(call apt_install,$(TEST_DEPS))
	-$(call apt_install,$(TEST_WANTS))

## make deps-deb        install what building the Debian packages needs besides
.PHONY: deps-deb
deps-deb: deps
	$(call apt_install,debhelper dpkg-dev libcmocka-dev xz-utils)
