# SPDX-License-Identifier: BSD-2-Clause
# `make help` lists what can be asked for.

VERSION := 0.1.0
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
DESTDIR ?=
B       ?= build
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
BPFTOOL ?= /usr/sbin/bpftool
# For another architecture: where its headers and libraries lie, and bpfeb if it is big-endian.
SYSROOT ?=
BPF_TARGET ?= bpf
SAN     ?=
# What coaxd and coax-bench take their memory from; none: the C library.
ALLOCATOR ?= $(if $(SAN),,-lmimalloc)
OPT     ?= -O2 -g
V       ?= 0

# A machine that lacks what the build needs gets it before anything else is looked at.
NEEDS_DEPS := $(filter-out help clean,$(or $(MAKECMDGOALS),all))
ifneq ($(NEEDS_DEPS),)
ifneq ($(shell tools/deps $(NEEDS_DEPS) >&2 && echo ok),ok)
$(error tools/deps could not install what the build needs; it says why above)
endif
endif

PKGS    := libbpf libxdp liburcu-bp liburcu-cds libsodium libcap libssl libcrypto jansson
WARN    := -Wall -Wextra -Werror
CFLAGS  += -std=gnu11 $(OPT) $(WARN) -fPIC -D_GNU_SOURCE -pthread \
           -DCOAX_VERSION_TEXT='"$(VERSION)"' -Iinclude -Iuser -I$(B) $(shell pkg-config --cflags $(PKGS))
LDFLAGS += -pthread
LDLIBS  += $(shell pkg-config --libs $(PKGS))
ifneq ($(SAN),)
CFLAGS  += -fsanitize=$(SAN) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SAN)
# gcc warns that it does not follow fences; what they order here is mapped memory, not threads.
CFLAGS  += $(if $(findstring thread,$(SAN)),-Wno-tsan)
endif

ifeq ($(V),0)
Q := @
say = @$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,printf '  %-7s %s\n' "$(1)" "$(2)";)
endif

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += -r
.DEFAULT_GOAL := all

LIB_SRC   := $(wildcard user/*.c user/codec/*.c user/credentials/*.c user/transport/*.c user/exchange/*.c user/site/*.c \
               user/accel/*.c user/context/*.c)
PROXY_SRC := $(wildcard user/proxy/*.c)
COAXD_SRC := $(wildcard user/coaxd/*.c) $(PROXY_SRC)
TOOL_SRC  := $(wildcard tools/coax/*.c)
EXAMPLES  := $(patsubst %.c,$(B)/%,$(wildcard tools/examples/*.c))
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tools/bench/*.c))
TEST_SRC  := $(filter-out %.bpf.c,$(wildcard tests/unit/*.c tests/bpf/test_*.c tests/net/*.c tests/torture/*.c))
TEST_BPF  := $(wildcard tests/bpf/*.bpf.c)
PEER_SRC  := $(wildcard tests/interop/*.c)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)

LIB_OBJ   := $(LIB_SRC:%.c=$(B)/%.o)
TESTS     := $(TEST_SRC:%.c=$(B)/%)
PEERS     := $(PEER_SRC:%.c=$(B)/%)
FUZZERS   := $(FUZZ_SRC:%.c=$(B)/%)

all: lib coaxd coax coax-bench examples ## the library, the daemon and the tools (in build/)
lib: $(B)/libcoax.a $(B)/libcoax.so
coaxd: $(B)/coaxd
coax: $(B)/coax
coax-bench: $(B)/coax-bench
examples: $(EXAMPLES)

# The kernel halves: %.bpf.c -> .bpf.o -> .skel.h
BPF_CFLAGS := -target $(BPF_TARGET) -mcpu=v3 -O2 -g $(WARN) -Iinclude \
              -idirafter $(SYSROOT)/usr/include/$(shell $(CC) -print-multiarch)

$(B)/%.bpf.o: %.bpf.c
	$(call say,BPF,$@)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(subst .,_,$(notdir $*))_bpf > $@

# Who embeds one has to wait for it.
$(patsubst %.c,$(B)/%.o,$(filter user/accel/%,$(LIB_SRC)) $(TEST_SRC)): $(B)/bpf/coax.skel.h
$(BENCH_SRC:%.c=$(B)/%.o): $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard tools/bench/*.bpf.c))
$(TEST_SRC:%.c=$(B)/%.o): $(TEST_BPF:%.bpf.c=$(B)/%.skel.h)

$(B)/%.o: %.c
	$(call say,CC,$@)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/libcoax.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/libcoax.so: $(LIB_OBJ) user/libcoax.map
	$(call say,LD,$@)$(CC) $(LDFLAGS) -shared -Wl,-soname,libcoax.so.0 \
		-Wl,--version-script=user/libcoax.map -o $@ $(LIB_OBJ) $(LDLIBS)

$(B)/coaxd: $(COAXD_SRC:%.c=$(B)/%.o) $(B)/libcoax.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lconfuse -lmicrohttpd $(ALLOCATOR)

$(B)/coax: $(TOOL_SRC:%.c=$(B)/%.o) $(B)/libcoax.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcbor -lncursesw -ltinfo -lm

$(B)/coax-bench: $(BENCH_SRC:%.c=$(B)/%.o) $(B)/libcoax.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(ALLOCATOR)

$(EXAMPLES): $(B)/%: $(B)/%.o $(B)/libcoax.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Tests are one file each, and so are the programs that scripts among them start; what they share are
# tests/*.h and tests/bpf/*.h.
$(TESTS) $(PEERS): $(B)/%: $(B)/%.o $(B)/libcoax.a
	$(call say,LD,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# How the tool shows payloads is tested without the rest of it.
TOOL_SHOW := $(patsubst %.c,$(B)/%.o,tools/coax/safe.c $(wildcard tools/coax/show*.c))
$(B)/tests/unit/tool_show: $(TOOL_SHOW)
$(B)/tests/unit/tool_show: LDLIBS := $(B)/libcoax.a $(LDLIBS) -lcbor -lm

# The proxy is the daemon's, not the library's.
PROXY_TESTS := $(filter $(B)/tests/unit/proxy_% $(B)/tests/net/proxy_%,$(TESTS))
$(PROXY_TESTS): $(PROXY_SRC:%.c=$(B)/%.o)
$(PROXY_TESTS): LDLIBS := $(B)/libcoax.a $(LDLIBS)

# Fuzzers are built whole, library and all, with coverage and sanitizers.
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
               -D_GNU_SOURCE -Iinclude -Iuser
$(FUZZERS): $(B)/%: %.c $(wildcard user/codec/*.c user/credentials/*.c user/transport/dtls*.c user/exchange/*.c \
               user/hash.c user/log.c)
	$(call say,FUZZ,$@)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -o $@ $^ $(LDLIBS)

# The daemon as one with another layout of the maps would be.
OTHER_SRC := $(shell grep -l COAX_LAYOUT user/accel/*.c)
$(B)/other/%.o: %.c $(B)/bpf/coax.skel.h
	$(call say,CC,$@)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -DCOAX_LAYOUT=99 -MMD -MP -c $< -o $@

$(B)/tests/coaxd_other: $(COAXD_SRC:%.c=$(B)/%.o) $(OTHER_SRC:%.c=$(B)/other/%.o) $(B)/libcoax.a
	$(call say,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lconfuse -lmicrohttpd

tests: all $(TESTS) $(PEERS) $(B)/tests/coaxd_other
fuzzers: $(FUZZERS)

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)

# Run by `make test`: everything but what has a target of its own.
TEST_SCRIPTS := $(wildcard tests/net/*.sh tests/interop/*.sh tests/torture/*.sh tests/fuzz/*.sh)
# Begun first, so that nobody waits for them at the end.
LONG_TESTS := tests/sanitized tests/vm/linux-6.1.sh tests/net/lab_bench.sh tests/lint

test: tests fuzzers ## install what is missing, build, lint and run the whole suite
	$(Q)COAX_BUILD=$(B) tests/run --jobs 3 $(LONG_TESTS) $(TESTS) $(filter-out $(LONG_TESTS),$(TEST_SCRIPTS))

test-vm: tests ## the kernel half on Linux 6.1 and 6.12, in an emulated machine
	$(Q)COAX_BUILD=$(B) COAX_VM_ALL=1 tests/run tests/vm/linux-6.1.sh tests/vm/linux-6.12.sh

test-cross: ## build all of it for aarch64 and s390x, and run the unit tests in emulated processes
	$(Q)COAX_BUILD=$(B) tests/run tests/cross/aarch64.sh tests/cross/s390x.sh

check: tests ## unit and packet tests only: the short loop while working
	$(Q)COAX_BUILD=$(B) tests/run $(filter $(B)/tests/unit/% $(B)/tests/bpf/%,$(TESTS))

torture: tests ## the torture tests for longer: a million requests to both halves, bodies of 1 MiB
	$(Q)COAX_BUILD=$(B) COAX_LOSSY_BYTES=1048576 COAX_TORTURE_SECONDS=80 \
		COAX_ORACLE_REQUESTS=1000000 COAX_MODEL_FRAMES=10000000 COAX_CONTEXT_SESSIONS=10000 \
		tests/run $(B)/tests/bpf/test_model $(B)/tests/net/secure_sessions $(filter $(B)/tests/torture/%,$(TESTS))

lint: ## clang-format, cppcheck, shellcheck, and a build with clang
	$(Q)COAX_BUILD=$(B) tests/lint

demo: all ## the main job, shown on a network of its own
	$(Q)COAX_BUILD=$(B) tools/demo

bench: all ## measure, side by side with coap-server; ends with lines "figure NAME VALUE"
	$(Q)COAX_BUILD=$(B) tools/bench/run

# What --help says is in the pages of the programs, what the headers say in those of the library.
man: $(B)/man/libcoax.3 ## the man pages (in build/man/)
$(B)/man/libcoax.3: $(B)/coax $(B)/coaxd $(B)/coax-bench $(wildcard include/coax/*.h tools/packaging/man/*)
	$(call say,MAN,$(@D))tools/packaging/man/pages $(B) $(VERSION) $(@D)

# A file of the programs' with the paths of this installation in it.
installed = sed -e 's|/usr/local|$(PREFIX)|g' $(1) > $(DESTDIR)$(2)/$(notdir $(1))

# Anew each time: it says what PREFIX is this time.
$(B)/libcoax.pc: user/libcoax.pc.in
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)%=$${prefix}%)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@REQUIRES@|$(PKGS)|' $< > $@

install: all man $(B)/libcoax.pc ## into DESTDIR/PREFIX
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/sbin $(PREFIX)/libexec/coax $(LIBDIR)/pkgconfig \
		$(PREFIX)/include/coax $(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d \
		$(PREFIX)/share/doc/coax $(SYSCONFDIR)/coax $(UNITDIR) $(COMPLETIONS) $(addprefix $(MANDIR)/man,1 3 5 8))
	$(call installed,tools/packaging/coaxd.service,$(UNITDIR))
	install -m 755 tools/packaging/upgrade $(DESTDIR)$(PREFIX)/libexec/coax
	install -m 755 $(B)/coax $(B)/coax-bench $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(B)/coaxd $(DESTDIR)$(PREFIX)/sbin
	install -m 644 include/coax/*.h $(DESTDIR)$(PREFIX)/include/coax
	install -m 644 $(B)/libcoax.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(B)/libcoax.so $(DESTDIR)$(LIBDIR)/libcoax.so.$(VERSION)
	ln -sf libcoax.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libcoax.so.0
	ln -sf libcoax.so.0 $(DESTDIR)$(LIBDIR)/libcoax.so
	install -m 644 $(B)/libcoax.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 tools/packaging/coax.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/coax.conf
	install -m 644 tools/packaging/coax.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/coax.conf
	install -m 644 tools/packaging/grafana.json tools/packaging/coaxd.conf $(DESTDIR)$(PREFIX)/share/doc/coax
	[ -e $(DESTDIR)$(SYSCONFDIR)/coax/coaxd.conf ] || \
		install -m 644 tools/packaging/coaxd.conf $(DESTDIR)$(SYSCONFDIR)/coax
	for page in $(B)/man/*.[1358]; do \
		sed -e 's|/usr/local|$(PREFIX)|g' $$page > $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	install -m 644 tools/packaging/completion/coax $(DESTDIR)$(COMPLETIONS)
	for program in coaxd coax-bench; do ln -sf coax $(DESTDIR)$(COMPLETIONS)/$$program || exit; done

deb: ## Debian packages (in build/deb/)
	$(Q)tools/packaging/deb $(B)/deb $(VERSION)

test-deb: all deb ## install, start, upgrade and remove them in a system of their own
	$(Q)COAX_BUILD=$(B) tests/run tests/packaging/deb.sh

clean: ## remove what was built
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: $(B)/libcoax.pc all lib coaxd coax coax-bench examples tests fuzzers test test-vm test-cross check torture lint demo bench man install deb test-deb clean help
