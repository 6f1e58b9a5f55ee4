# Tests, checks, benchmarks.

## sudo make test       every suite that this machine can run. .ci/run adds KERNELS=all (each emulated kernel, all suites on each), SYSTEMS=all (packages of each release and architecture, RPM) and RANDOM_PLANTS=all (200 random plants, not 50; make law-fixed; fuzzers for longer)
.PHONY: test
test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@KERNELS=$(KERNELS) SYSTEMS=$(SYSTEMS) RANDOM_PLANTS=$(RANDOM_PLANTS) tests/run all

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
	$(addprefix $(BUILD)/tests/planted/obj/daemon/,publish/control_calls.o publish/control_answers.o refuse/dialogue_io.o)
$(VARIANTS): $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LDLIBS)

.PHONY: tests unit-tests sanitized
UNIT_TESTS := $(filter-out $(BUILD)/tests/kernel/%,$(TESTS))
unit-tests: $(UNIT_TESTS)
# What tests/run runs with SANITIZE=1.
sanitized: unit-tests $(PROGRAMS)
tests: $(TESTS) $(TEST_PROGRAMS) $(VARIANTS)

## make check-unit      unit and codec tests only: what the build of a package runs
.PHONY: check-unit
check-unit: $(UNIT_TESTS)
	@for t in $^; do echo "$$t"; $$t >$$t.log 2>&1 || { cat $$t.log; exit 1; }; done

## make cov             how much of daemon/ the unit and codec tests run, by directory (IN=daemon/core: by file); a third tree under build/cov
.PHONY: cov
cov:
	$(call need_packages,$(BUILD_DEPS) $(CHECK_DEPS))
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=build/cov MADE=build OPT='-O0 -g' HARDEN=-fPIE SANFLAGS=--coverage check-unit
	@tests/coverage build/cov/obj $(IN)

## make check           the quick part, under a minute: unit, codec, simulation (but for half an hour and more), layers, documentation, format, lint
.PHONY: check
check:
	$(call need_packages,$(BUILD_DEPS) $(CHECK_DEPS))
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@BUILD=$(BUILD) tests/run quick

## sudo make test-vm    every probe and signal on Debian's kernels 5.10, 6.1, 6.12 and the newest, in emulation (KERNEL=6.1: one; KERNEL=here: what this one shows, for the table; SUITE=all: more tests)
.PHONY: test-vm
test-vm: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@KERNEL=$(KERNEL) tests/vm/test_vm.py

.PHONY: check-layers check-format check-law check-bpf lint
## make check-bpf       the BPF objects have no instruction that Linux 5.10 lacks
check-bpf: $(SKELETONS)
	@tests/check-bpf --test
	@tests/check-bpf

## make check-law       no number without a name in the law's files (tests/law-files), each scenario in the directory of its subject
check-law:
	@tests/check-law --test
	@tests/check-law
check-layers: $(LIB)
	@BUILD=$(BUILD) tests/check-layers
check-format:
	@git ls-files '*.c' '*.h' | grep -v -E '^tests/fixtures/' | xargs clang-format --dry-run --Werror
	@tests/check-comments
## make check-comments  (part of check-format) comments beyond 100 columns, by file and line; make fix-comments wraps what can be wrapped
.PHONY: check-comments fix-comments
check-comments:
	@tests/check-comments
fix-comments:
	@tests/check-comments --fix; git diff --name-only -- '*.c' '*.h' | grep -v -E '^tests/fixtures/' | xargs -r clang-format -i
## make lint            cppcheck over daemon/ and tools/: what has not changed is not looked at again
# It does not know that _cleanup_free_ frees: leaks are found by the sanitizers' tests.
# None of these files is compiled for BPF, nor with variable figures: without -U each that knows plan.h or law.h is looked at twice.
# With a build directory its -j looks at one file at a time: so one of it runs on each core, and each takes a share of the files.
lint: check-law
	@cores=$$(nproc); seq $$cores | xargs -P $$cores -I {} sh -c 'mkdir -p build/cppcheck/{} && \
		git ls-files "daemon/*.c" "tools/*.c" | awk "NR % '$$cores' == {} - 1" | xargs cppcheck -q --cppcheck-build-dir=build/cppcheck/{} \
		--library=packaging/make/cppcheck.cfg --enable=warning,portability --suppress=memleak --inline-suppr --error-exitcode=1 -U__bpf__ -ULAW_VARIABLE -Idaemon'

# The law against the simulator.

## make properties      the law's promises on N=5000 random plants, loads and seeds
.PHONY: properties mutants sim-report fleet-report
properties: $(BUILD)/bin/penstock-sim
	@N=$(or $(N),5000) BUILD=$(BUILD) tests/sim/test_properties

## make mutants         each part of the law, and the scenario that fails without it
mutants: $(BUILD)/bin/penstock-sim
	@BUILD=$(BUILD) tests/sim/mutants

## make law-same        the law says the same as BEFORE=another penstock-sim, byte by byte: scenarios, mutants, random plants
.PHONY: law-same
law-same: $(BUILD)/bin/penstock-sim
	@PENSTOCK_SIM=$(or $(BEFORE),$(error BEFORE=the penstock-sim of the commit before)) tests/sim/same record $(BUILD)/law-before.json
	@BUILD=$(BUILD) tests/sim/same check $(BUILD)/law-before.json

# The simulator with the law's figures as variables.
LAW_OBJECTS := $(patsubst %.c,$(BUILD)/tests/law/obj/%.o,$(wildcard daemon/core/*.c) tests/sim/law_variable.c)
$(BUILD)/tests/law/obj/%.o: %.c daemon/core/law.h | $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DLAW_VARIABLE $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/tests/law/penstock-sim: $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tools/penstock-sim/*.c))) $(LAW_OBJECTS) $(LIB)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LDLIBS)
-include $(LAW_OBJECTS:.o=.d)

## make law-fixed       each figure of the law: the unit test or the scenario that law.h names for it fails without it
LAW_TESTS := $(addprefix $(BUILD)/tests/law/,$(sort $(shell grep -o '"test_[a-z_]*"' daemon/core/law.h | tr -d '"')))
$(BUILD)/tests/law/test_%: tests/unit/test_%.c $(LAW_OBJECTS) $(LIB)
	$(Q)$(CC) $(CPPFLAGS) -Itests -DLAW_VARIABLE $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(LIB) $(LDLIBS) -lcmocka
.PHONY: law-fixed
law-fixed: $(LAW_TESTS) $(BUILD)/tests/law/penstock-sim
	@BUILD=$(BUILD) tests/law-fixed

## make sensitivity     half and twice of each figure of the law, over the scenarios and N=200 random plants, into packaging/doc/sensitivity.md; goes on where it was interrupted (MINUTES=)
.PHONY: sensitivity
sensitivity: $(BUILD)/tests/law/penstock-sim
	@PENSTOCK_SIM=$(BUILD)/tests/law/penstock-sim tests/sim/sensitivity

## make traces          how near the simulator comes to recorded servers (tests/sim/traces), into packaging/doc/simulated.md
.PHONY: traces
traces: $(BUILD)/bin/penstock-sim
	@BUILD=$(BUILD) WRITE=1 tests/sim/test_traces

## make fleet-report    what a fleet costs with 3, 30 and 300 hosts, into packaging/doc/fleet.md (two minutes of CPU, as root: it starts a Redis)
fleet-report: $(BUILD)/bin/penstock-sim
	@WRITE=1 tests/bench/fleet

## make sim-report      the comparison of all laws and the headline's plot, into packaging/doc/simulated.md
sim-report: $(BUILD)/bin/penstock-sim
	@BUILD=$(BUILD) tests/sim/report
