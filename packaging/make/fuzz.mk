# A fuzzer for each parser of foreign bytes: libFuzzer, address and undefined sanitizers, a corpus in the tree.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SOURCES := $(shell find daemon/base daemon/core daemon/config -name '*.c') daemon/sensor/procparse.c \
	daemon/proxy/proxy_protocol.c $(wildcard daemon/front/*_codec.c) daemon/front/asked_helper.c daemon/publish/varlink.c daemon/store/frame.c
FUZZ_SOURCES += daemon/sensor/mountinfo.c daemon/sensor/links.c daemon/sensor/queue_names.c
FUZZ_SOURCES += daemon/fleet/answer.c daemon/fleet/exchange.c daemon/fleet/exchange_login.c daemon/fleet/exchange_wire.c daemon/fleet/secret.c
FUZZ_SOURCES += daemon/check/postfix_conf.c daemon/refuse/dialogue_io.c daemon/refuse/faultlog.c
FUZZ_SOURCES += daemon/store/history_format.c daemon/store/ledger_format.c daemon/store/trace_get.c daemon/store/trace_put.c daemon/store/trace_answer.c
FUZZ_SOURCES += $(filter-out %/varlink.c,$(wildcard daemon/publish/*.c))
FUZZ_SOURCES += daemon/kernel/sockdiag.c daemon/kernel/netns.c
# Of these no fuzzer takes anything: a fuzzer that does is not linked until its file is struck out here.
UNFUZZED := $(addprefix daemon/base/,counts_dir.c fuse.c mapguard.c memlimit.c random.c range.c retry.c writelock.c)
UNFUZZED += $(addprefix daemon/config/,args.c engine_config.c reload.c)
UNFUZZED += $(addprefix daemon/core/,cpu_limiter.c fleet_host.c fleet_ledger.c greeting_times.c maintenance.c overtaken.c room.c room_debts.c \
	source_join.c sources_input.c)
UNFUZZED += $(addprefix daemon/publish/,console.c explain.c explain_sources.c explain_terms.c explain_verdict.c history_take.c http.c journal.c \
	levelfile.c outlets.c publishing.c snapshot.c support.c)
FUZZ_SOURCES := $(filter-out $(UNFUZZED),$(FUZZ_SOURCES))
FUZZ_FLAGS := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
# Seconds for each; `make fuzz FUZZ_SECONDS=3600` for a night.
FUZZ_SECONDS ?= 60

build/fuzz/obj/%.o: %.c packaging/make/fuzz.mk | $(MADE)/skel/publish/www.h
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(subst fuzzer,fuzzer-no-link,$(FUZZ_FLAGS)) -MMD -MP -c -o $@ $<
-include $(FUZZ_SOURCES:%.c=build/fuzz/obj/%.d)

build/fuzz/lib.a: $(FUZZ_SOURCES:%.c=build/fuzz/obj/%.o)
	@rm -f $@ && $(AR) rcs $@ $^

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c build/fuzz/lib.a $(wildcard tests/fuzz/*.h)
	$(Q)$(CLANG) $(CPPFLAGS) -Itests -std=gnu11 $(FUZZ_FLAGS) -o $@ $< build/fuzz/lib.a $(shell pkg-config --libs libsystemd jansson libxxhash libevent hiredis) -linih -lm -pthread

# The same fuzzer over a codec with one byte read too many, which it has to find: tests/integration/test_faults_wire.py.
build/fuzz/planted: tests/fuzz/fuzz_policy.c daemon/front/policy_codec.c build/fuzz/lib.a
	$(Q)$(CLANG) $(CPPFLAGS) -DPENSTOCK_PLANTED_OVERREAD -std=gnu11 $(FUZZ_FLAGS) -o $@ $(filter %.c,$^) build/fuzz/lib.a \
		$(shell pkg-config --libs libsystemd jansson libxxhash libevent hiredis) -linih -lm -pthread

.PHONY: fuzz fuzz-quick fuzzers
fuzzers: $(FUZZERS:%=build/fuzz/fuzz_%)

# One on each core.
define run_fuzzers
	@printf '%s\n' $(FUZZERS) | xargs -P $$(nproc) -I {} sh -c 'mkdir -p build/fuzz/corpus/{}; \
		build/fuzz/fuzz_{} -max_total_time=$(1) -max_len=4096 -timeout=10 -print_final_stats=0 -verbosity=0 \
			-artifact_prefix=build/fuzz/crash-{}- build/fuzz/corpus/{} tests/fuzz/corpus/{} >build/fuzz/{}.log 2>&1 || \
			{ tail -30 build/fuzz/{}.log; echo "fuzz_{}: FAILED, see build/fuzz/{}.log and build/fuzz/crash-{}-*"; exit 1; }; \
		echo "fuzz_{}: $$(ls build/fuzz/corpus/{} | wc -l) inputs in its corpus, nothing found"'
endef

## make fuzz            every parser of foreign bytes, FUZZ_SECONDS each (60)
fuzz: fuzzers
	$(call run_fuzzers,$(FUZZ_SECONDS))

## make fuzz-quick      the same for 3 s each (QUICK_SECONDS)
fuzz-quick: fuzzers
	$(call run_fuzzers,$(or $(QUICK_SECONDS),3))
