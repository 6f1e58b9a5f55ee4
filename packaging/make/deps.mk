# What the build and the tests need, as Debian packages.
BUILD_DEPS := build-essential pkg-config clang llvm bpftool libbpf-dev libevent-dev libnl-3-dev libnl-route-3-dev \
	libsystemd-dev libjansson-dev libinih-dev libxxhash-dev python3
TEST_DEPS := libcmocka-dev clang-format libclang-rt-14-dev iproute2 openssl procps systemd-container debootstrap \
	qemu-system-x86 e2fsprogs

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
