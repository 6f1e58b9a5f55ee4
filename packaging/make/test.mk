# Tests, checks, benchmarks.

## sudo make test       every suite that this machine can run
.PHONY: test
test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@tests/run all

# Programs like those that are shipped, but for a few objects: what the tests of faults run. next/ is the version after this one
# (upgrades), planted/ has a callback that never comes back (the watchdog) and
# a responder that a client can crash or stop.
VARIANTS := $(addprefix $(BUILD)/tests/,next/penstockd next/penstock-proxy planted/penstockd)
NEXT := $(shell grep -l PENSTOCK_VERSION $(SOURCES))
$(BUILD)/tests/next/obj/%.o: %.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -UPENSTOCK_VERSION -DPENSTOCK_VERSION='"$(VERSION).next"' $(CFLAGS) -c -o $@ $<
$(BUILD)/tests/planted/obj/%.o: %.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DPENSTOCK_PLANTED_SPIN -DPENSTOCK_PLANTED_CRASH $(CFLAGS) -c -o $@ $<
$(BUILD)/tests/next/penstockd: $(BUILD)/obj/daemon/main.o $(NEXT:%.c=$(BUILD)/tests/next/obj/%.o)
$(BUILD)/tests/next/penstock-proxy: $(BUILD)/obj/daemon/proxy/main.o $(BUILD)/tests/next/obj/daemon/config/args.o
$(BUILD)/tests/planted/penstockd: $(BUILD)/obj/daemon/main.o \
	$(addprefix $(BUILD)/tests/planted/obj/daemon/,publish/control_calls.o refuse/talk.o)
$(VARIANTS): $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LDLIBS)

.PHONY: tests
tests: $(TESTS) $(PLANTS) $(VARIANTS)

## make check           the quick part: unit, codec, simulation, layers, format
.PHONY: check
check: all tests
	@BUILD=$(BUILD) tests/run quick

## sudo make test-vm    every probe and signal on Debian's kernels 5.10, 6.1, 6.12 and the newest, in emulation (KERNEL=6.1: one; SUITE=all: more tests)
.PHONY: test-vm
test-vm: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@KERNEL=$(KERNEL) tests/vm/test_vm.py

.PHONY: check-layers check-format lint
check-layers: $(LIB)
	@BUILD=$(BUILD) tests/check-layers
check-format:
	@git ls-files '*.c' '*.h' | grep -v -E '^tests/fixtures/' | xargs clang-format --dry-run --Werror
lint:
	@git ls-files 'daemon/*.c' 'tools/*.c' | xargs cppcheck -q --enable=warning,portability --inline-suppr --error-exitcode=1 -Idaemon

# The law against the simulator.

## make properties      the law's promises on N=5000 random plants, loads and seeds
.PHONY: properties mutants sim-report
properties: $(BUILD)/bin/penstock-sim
	@N=$(or $(N),5000) BUILD=$(BUILD) tests/sim/test_properties

## make mutants         each part of the law, and the scenario that fails without it
mutants: $(BUILD)/bin/penstock-sim
	@BUILD=$(BUILD) tests/sim/mutants

## make sim-report      the comparison of all laws and the headline's plot, into README.md
sim-report: $(BUILD)/bin/penstock-sim
	@BUILD=$(BUILD) tests/sim/report
