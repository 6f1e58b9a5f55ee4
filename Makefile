# penstock: `make` builds under build/, `make help` lists the rest. SANITIZE=1 builds a second tree with ASan and UBSan.
SHELL := /bin/bash
VERSION := $(shell cat packaging/VERSION)
SANITIZE ?= 0
ifeq ($(SANITIZE),1)
BUILD ?= build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
BUILD ?= build
endif
# What is made by clang for BPF is the same in both trees.
MADE := $(if $(filter 1,$(SANITIZE)),build,$(BUILD))
PREFIX ?= /usr
SYSCONFDIR ?= /etc
DESTDIR ?=

CC ?= gcc
# V=1 shows every command.
Q := $(if $(V),,@)
CLANG ?= clang
LLVM_STRIP ?= $(firstword $(shell command -v llvm-strip llvm-strip-14 2>/dev/null) llvm-strip)
BPFTOOL ?= $(firstword $(shell PATH=$$PATH:/usr/sbin command -v bpftool 2>/dev/null) bpftool)
PKGS := libbpf libevent libnl-route-3.0 libnl-3.0 libsystemd jansson libxxhash hiredis libssl libcrypto
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2 \
	-Wno-format-nonliteral -Wno-unused-parameter -Wno-missing-field-initializers -Wno-format-truncation
# Packages build with WERROR= : a newer compiler has newer warnings.
WERROR ?= -Werror
# -g1: lines for a backtrace, and no variables. It takes a compiler a third less time, and no debugger is meant for those.
OPT ?= $(if $(filter 1,$(SANITIZE)),-O1 -g1,-O2 -g)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ifeq ($(SANITIZE),1)
HARDEN := -fPIE
endif
CPPFLAGS += -D_GNU_SOURCE -Idaemon -I/usr/include/libnl3 -Ibpf -Itools -I$(MADE)/skel -DPENSTOCK_VERSION='"$(VERSION)"'
# Nothing traps on a floating-point exception or reads errno after a function of libm: a compiler that knows this makes no branches for them.
CFLAGS += -std=gnu11 $(OPT) -fno-trapping-math -fno-math-errno $(WARN) $(WERROR) $(HARDEN) $(SANFLAGS) -ffunction-sections -fdata-sections
LDFLAGS += $(SANFLAGS) -pie -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now
# When it is first needed, so that `make deps` works before pkg-config is there.
PKG_CONFIG ?= pkg-config
PKG_LIBS = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)
LDLIBS = $(PKG_LIBS) $(MORE_LIBS) -linih -lm -pthread

# Everything in daemon/ but the two mains is one archive; each program takes what it uses.
MAINS := daemon/main.c daemon/proxy/main.c
SOURCES := $(filter-out $(MAINS),$(shell find daemon -name '*.c' | sort))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libpenstock.a
BPF_SOURCES := $(sort $(wildcard bpf/*.bpf.c))
SKELETONS := $(BPF_SOURCES:bpf/%.bpf.c=$(MADE)/skel/%.skel.h)
# What the status page is made of, as strings.
WWW := $(sort $(wildcard daemon/publish/www/*))
# A tool is tools/NAME.c or tools/NAME/*.c.
TOOLS := $(sort $(basename $(notdir $(wildcard tools/*.c))) $(notdir $(patsubst %/,%,$(wildcard tools/*/))))
PROGRAMS := $(addprefix $(BUILD)/bin/,penstockd penstock-proxy $(TOOLS))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/test_*.c tests/codec/test_*.c tests/kernel/test_*.c)))
# Servers that the tests put load on.
TEST_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/programs/*.c)))
BENCHES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/bench/bench_*.c)))

.PHONY: all
all: $(PROGRAMS)

.PHONY: help
help:
	@grep -hE '^## ' Makefile packaging/make/*.mk | sed 's/^## //'

## make                 build everything under build/ (SANITIZE=1: build/san)
# Whatever says its version is compiled again when that changes.
$(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -rl --include='*.c' PENSTOCK_VERSION daemon tools)): packaging/VERSION
$(BUILD)/obj/%.o: %.c | $(SKELETONS) $(MADE)/skel/publish/www.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/bin/penstockd: $(BUILD)/obj/daemon/main.o $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/bin/penstock-proxy: $(BUILD)/obj/daemon/proxy/main.o $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

define tool_rule
$(BUILD)/bin/$(1): $$(patsubst %.c,$(BUILD)/obj/%.o,$$(sort $$(wildcard tools/$(1).c tools/$(1)/*.c))) $(LIB)
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach tool,$(TOOLS),$(eval $(call tool_rule,$(tool))))
$(BUILD)/bin/check_penstock: $(BUILD)/obj/tools/penstockctl/call.o
# `top` draws on the terminal.
$(BUILD)/bin/penstockctl: MORE_LIBS = $(shell $(PKG_CONFIG) --libs ncursesw)

$(BUILD)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -g1 -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(LDLIBS) -lcmocka

# BPF: CO-RE objects, then skeletons. No kernel headers needed: bpf/kernel_types.h.
# Fetching atomics: 5.12 and later; the others do without, or have a form for older kernels beside.
$(MADE)/bpf/gate.bpf.o: BPF_CPU := -mcpu=v3
$(MADE)/bpf/gate_old.bpf.o: bpf/gate.bpf.c
$(MADE)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) daemon/core/plan.h daemon/core/reason.h
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf $(BPF_CPU) -ffreestanding -Wall $(WERROR) -fdebug-compilation-dir=. -Ibpf -Idaemon -c -o $@.tmp $<
	$(Q)$(LLVM_STRIP) -g $@.tmp && mv $@.tmp $@

$(MADE)/skel/%.skel.h: $(MADE)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(MADE)/skel/publish/www.h: $(WWW) packaging/make/embed
	@mkdir -p $(@D)
	$(Q)packaging/make/embed $(WWW) >$@.tmp && mv $@.tmp $@

include packaging/make/deps.mk packaging/make/test.mk packaging/make/fuzz.mk packaging/make/bench.mk packaging/make/run.mk packaging/make/install.mk
-include $(shell find $(BUILD)/obj $(BUILD)/tests -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build
.SECONDARY:
