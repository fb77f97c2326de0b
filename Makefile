# SPDX-License-Identifier: GPL-2.0
# Fairlead. `make help` says what there is.

VERSION	:= 0.1
BUILD	?= build
DESTDIR	?=
PREFIX	?= /usr
KERNELS	?= 6.1 6.12		# the series that the lab boots
export FAIRLEAD_CACHE ?= /var/cache/fairlead
export BUILD := $(abspath $(BUILD))
export TOP := $(CURDIR)

SHELL	:= /bin/bash
CC	?= gcc
CLANG	?= clang
CFLAGS	?= -O2 -g
PKGS	:= libmnl libnl-3.0 libnl-route-3.0 libsodium json-c libbpf inih libcap-ng ncursesw zlib
LATE	:= libkmod libmicrohttpd	# opened by who needs them: tools/lib/late.h

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
MAKEFLAGS += --no-print-directory
endif

# ---- the tool ----------------------------------------------------------------------------------

tool_src	:= $(wildcard tools/lib/*.c tools/mesh/*.c tools/tune/*.c tools/accel/*.c tools/metrics/*.c tools/top/*.c)
tool_obj	:= $(tool_src:%.c=$(BUILD)/%.o)
bpf_src		:= $(wildcard bpf/*.bpf.c)
bpf_obj		:= $(bpf_src:%.c=$(BUILD)/%.o)
skel		:= $(bpf_src:%.bpf.c=$(BUILD)/%.skel.h)
FAIRLEAD	:= $(BUILD)/tools/fairlead
export FAIRLEAD

pkg_cflags	= $(shell pkg-config --cflags $(PKGS) $(LATE))
pkg_libs	= $(shell pkg-config --libs $(PKGS)) -lm
tool_cflags	= $(CFLAGS) -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
		  -Wno-missing-field-initializers -Wno-sign-compare -D_GNU_SOURCE \
		  -DFL_VERSION='"$(VERSION)"' -DFL_DATADIR='"$(PREFIX)/share/fairlead"' \
		  -I$(BUILD) -I. -Imodule/uapi $(pkg_cflags)

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all tools bpf module modules test demo check format clean help install setup bench bench-curves bench-mesh bench-tune bench-metrics bench-tools bench-compare bench-report run-tests unit-tests bpf-tests vm-tests \
	fuzzers check-format check-sparse check-tidy check-shell check-man

all: tools bpf module

tools: $(FAIRLEAD)

$(FAIRLEAD): $(BUILD)/tools/fairlead.o $(BUILD)/libfairlead.a
	$(say) LINK $(@:$(BUILD)/%=%)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(pkg_libs)

$(BUILD)/libfairlead.a: $(tool_obj)
	$(say) AR $(@:$(BUILD)/%=%)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Skeletons are generated headers: they must be there before the first compile finds out, by its
# dependency file, who includes them.
$(BUILD)/tools/%.o: tools/%.c Makefile | $(skel)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(tool_cflags) -MMD -MP -c -o $@ $<

-include $(tool_obj:.o=.d) $(BUILD)/tools/fairlead.d

# ---- BPF ---------------------------------------------------------------------------------------

bpf: $(bpf_obj) $(skel)
	@:

bpf_arch := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
# <asm/types.h> lives below the multiarch directory, which -target bpf does not know of.
bpf_inc := $(addprefix -idirafter /usr/include/,$(shell $(CC) -print-multiarch))

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	$(say) BPF $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(bpf_arch) -Wall -Wextra -Werror \
		-Wno-missing-field-initializers -Wno-unused-parameter -Ibpf $(bpf_inc) -MMD -MP -c -o $@.tmp -MF $(@:.o=.d) -MT $@ $<
	$(Q)llvm-strip -g $@.tmp && mv $@.tmp $@

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(say) SKEL $(@:$(BUILD)/%=%)
	$(Q){ echo '/* NOLINTBEGIN */'; bpftool gen skeleton $< name $*_bpf && echo '/* NOLINTEND */'; } > $@.tmp && mv $@.tmp $@

-include $(bpf_obj:.o=.d)

# ---- the module --------------------------------------------------------------------------------
# One build directory a kernel, so that any number of them stand side by side. The sources are
# linked into it, because kbuild writes its objects beside the sources. One at a time there: `module` and
# `modules` may want the same kernel's.

KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	  $(shell scripts/kernel kdir $(firstword $(KERNELS)) 2>/dev/null))
module_src := $(wildcard module/*.c module/*.h module/Kbuild module/uapi/*.h)

module:
	$(if $(KDIR),,$(error no kernel headers found: install them, or say make module KDIR=...))
	$(Q)set -o pipefail; \
	release=$$(sed -n 's/^\#define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null); \
	[ "$$release" ] || { echo "fairlead: $(KDIR) is not a kernel build directory: no release in include/generated/utsrelease.h; install linux-headers, or name one with KDIR=" >&2; exit 1; }; \
	dir=$(BUILD)/module/$$release; mkdir -p $$dir/uapi; \
	exec {lock}<$$dir; flock $$lock; \
	for f in $(module_src); do [ $$dir/$${f#module/} -ef $$f ] || ln -sfn $(CURDIR)/$$f $$dir/$${f#module/}; done; \
	$(MAKE) -C $(KDIR) M=$$dir V=$(or $(V),0) $(if $(W),W=$(W)) FL_VERSION=$(VERSION) \
		$(if $(wildcard $(KDIR)/vmlinux),,CONFIG_DEBUG_INFO_BTF_MODULES=) modules $(if $(filter 1,$(V)),,| \
		{ grep -Ev '^make|Entering|Leaving|^warning: the compiler differs|^  (The kernel was built by|You are using)' || :; })

# The module for every kernel of the lab.
modules:
	$(Q)for k in $(KERNELS); do scripts/kernel fetch $$k && \
		$(MAKE) module KDIR=$$(scripts/kernel kdir $$k) || exit 1; done

.PHONY: module-sign install-dkms
# KEY is a private key, CERT its certificate: see scripts/module-sign --help.
module-sign:
	$(if $(and $(KEY),$(CERT)),,$(error say make module-sign KEY=key.pem CERT=cert.pem; scripts/module-sign --help tells how to make them))
	$(if $(wildcard $(BUILD)/module/*/fairlead.ko),,$(error there is no module to sign: run make module first))
	$(Q)scripts/module-sign $(KEY) $(CERT) $(wildcard $(BUILD)/module/*/fairlead.ko)

# ---- tests -------------------------------------------------------------------------------------

unit_bin := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/unit/test_*.c))
bpft_bin := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/bpf/test_*.c))
vm_bin := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/vm/*.c))
fuzz_bin := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/fuzz/fuzz_*.c))

$(BUILD)/selftests/%: selftests/%.c $(BUILD)/libfairlead.a Makefile
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(tool_cflags) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BUILD)/libfairlead.a $(pkg_libs) -lcmocka

# Fuzzers have the tool's sources compiled anew, with coverage and sanitizers.
fuzz_flags := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
fuzz_obj := $(tool_src:%.c=$(BUILD)/selftests/fuzz/%.o)

$(BUILD)/selftests/fuzz/tools/%.o: tools/%.c Makefile | $(skel)
	$(say) FUZZ $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(tool_cflags) $(fuzz_flags) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/selftests/fuzz/libfairlead.a: $(fuzz_obj)
	$(say) AR $(@:$(BUILD)/%=%)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/selftests/fuzz/fuzz_%: selftests/fuzz/fuzz_%.c $(BUILD)/selftests/fuzz/libfairlead.a
	$(say) FUZZ $<
	$(Q)$(CLANG) $(tool_cflags) $(fuzz_flags) -fsanitize=fuzzer -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BUILD)/selftests/fuzz/libfairlead.a $(pkg_libs)

-include $(addsuffix .d,$(unit_bin) $(bpft_bin) $(vm_bin) $(fuzz_bin)) $(fuzz_obj:.o=.d)

unit-tests: $(unit_bin)
vm-tests: $(vm_bin) $(BUILD)/bench/load
bpf-tests: $(bpft_bin)
fuzzers: $(fuzz_bin)

# ---- what a reviewer would run ------------------------------------------------------------------

c_src	:= $(wildcard scripts/bench.d/*.c scripts/bench.d/*/*.c tools/*.[ch] tools/*/*.[ch] bpf/*.[ch] module/*.[ch] module/uapi/*.h selftests/*/*.[ch])
sh_src	= $(shell grep -lE '^\#!/bin/(ba)?sh|^\#!/usr/bin/env bash' -r .ci scripts selftests --include='*' \
	   --exclude-dir=corpus) selftests/lib.sh
man_src	:= $(wildcard docs/man/*.[1-8])

check: check-format check-sparse check-tidy check-shell check-man

format:
	$(Q)clang-format -i $(c_src)

check-format:
	$(say) CHECK clang-format
	$(Q)clang-format --dry-run -Werror $(c_src)

check-sparse: | $(skel)
	$(say) CHECK sparse
	$(Q)kdir=$$(scripts/kernel kdir $(lastword $(KERNELS))) && rm -rf $(BUILD)/sparse && mkdir -p $(BUILD)/sparse && \
	cp -r module/. $(BUILD)/sparse/ && \
	out=$$($(MAKE) -C $$kdir M=$(BUILD)/sparse C=2 W=1 modules 2>&1 | grep -E 'warning:|error:|Error ' | grep -v 'compiler differs'); \
	[ -z "$$out" ] || { printf '%s\n' "$$out"; exit 1; }

check-tidy: $(addprefix $(BUILD)/tidy/,$(tool_src:.c=.ok))

$(BUILD)/tidy/%.ok: %.c .clang-tidy Makefile | $(skel)
	$(say) TIDY $<
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- $(tool_cflags) 2>&1 | \
		{ grep -vE '^[0-9]+ warnings? (generated|treated)|Suppressed|^Use -header' || :; }; exit $${PIPESTATUS[0]}
	@touch $@

check-shell:
	$(say) CHECK shellcheck
	$(Q)shellcheck -x -S warning $(sh_src)

check-man:
	$(say) CHECK mandoc
	$(Q)mandoc -T lint -W warning $(man_src)

# ---- the bench -----------------------------------------------------------------------------------
# KERNEL says under which kernel, BENCH=quick takes the main rows and columns only.

KERNEL ?= $(lastword $(KERNELS))
BENCH ?=

# Static: it starts in half the time, which in the lab is much, and runs on whatever other machine.
$(BUILD)/bench/load: scripts/bench.d/load.c Makefile
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -Wall -Wextra -D_GNU_SOURCE -pthread -static -o $@ $<

# What the metrics cost: a reading, beside wg(8), and a packet.
bench-metrics: tools bpf-tests
	@scripts/bench-metrics --out $(BUILD)/bench/metrics/result.json $(if $(KERNEL),--kernel $(KERNEL))

bench-tools: tools $(BUILD)/bench/load
	$(Q)set -e; for k in $(KERNELS); do scripts/kernel fetch $$k; dir=$(BUILD)/bench/$$(scripts/kernel release $$k); \
		$(MAKE) module KDIR=$$(scripts/kernel kdir $$k); mkdir -p $$dir; cp -u scripts/bench.d/aead/* $$dir/; \
		$(MAKE) -C $$(scripts/kernel kdir $$k) M=$$dir modules >$$dir/log 2>&1 || { cat $$dir/log; exit 1; }; done

# CPU and memory of a mesh of many nodes; MESH_SIZES="100 1000" is quicker.
bench-mesh: tools
	@scripts/bench-mesh --kernel $(KERNEL) --out $(BUILD)/bench/mesh/result.json $(if $(MESH_SIZES),--sizes "$(MESH_SIZES)")

# The same 120 keys by tune, sysctl(8), systemd-sysctl(8) and TuneD.
bench-tune: setup
	@$(MAKE) tools
	@scripts/bench-tune --kernel $(KERNEL) --out $(BUILD)/bench/tune/result.json

bench: setup
	@$(MAKE) $(jobs) bench-tools KERNELS=$(KERNEL)
	@scripts/bench run --kernel $(KERNEL) $(if $(filter quick,$(BENCH)),--quick,--profile --suites 'main setup')
	@for f in $(BUILD)/bench/*.json; do scripts/bench plot $$f $(BUILD)/bench || exit 1; done

# Cost as streams, peers and lanes grow in number.
bench-curves: setup
	@$(MAKE) $(jobs) bench-tools KERNELS=$(KERNEL)
	@scripts/bench run --kernel $(KERNEL) --suites 'flows peers lanes'
	@for f in $(BUILD)/bench/*.json; do scripts/bench plot $$f $(BUILD)/bench || exit 1; done

# Two versions of Fairlead under the same bench: BASE, and what is here. stock is measured with both and
# must not differ. BENCH=quick: three rounds.
compare_with = --rows 'stock module metrics both' --columns 'tcp tcp8 udp1400 rr1 jumbo-tcp pod-tcp' $(if $(filter quick,$(BENCH)),--rounds 3)

bench-compare: setup
	$(if $(BASE),,$(error say with which version: make bench-compare BASE=<git ref>))
	@$(MAKE) $(jobs) bench-tools KERNELS=$(KERNEL)
	$(Q)set -e; base=$(BUILD)/bench/base; git rev-parse -q --verify '$(BASE)^{commit}' >/dev/null || \
		{ echo "fairlead: there is no commit '$(BASE)'" >&2; exit 1; }; \
	rm -rf $$base; mkdir -p $$base; git archive --prefix=tree/ '$(BASE)' | tar -x -C $$base; \
	$(MAKE) -C $$base/tree BUILD=$$base tools; \
	$(MAKE) -C $$base/tree BUILD=$$base module KDIR=$$(scripts/kernel kdir $(KERNEL)); \
	git describe --always '$(BASE)' >$$base/version; \
	scripts/bench run --kernel $(KERNEL) --build $$base --out $(BUILD)/bench/old $(compare_with) >/dev/null; \
	scripts/bench run --kernel $(KERNEL) --out $(BUILD)/bench/new $(compare_with) >/dev/null; \
	scripts/bench compare $(BUILD)/bench/old/main.json $(BUILD)/bench/new/main.json

# The report out of the results that are kept: to replace them, copy build/bench/*.json there. main-*.json are the
# main suite under other circumstances, which is shown as tables.
bench_results = docs/bench/main.json $(filter-out docs/bench/main.json,$(wildcard docs/bench/*.json))
bench_plotted = $(filter-out docs/bench/main-%.json,$(bench_results))
bench-report:
	$(Q)for f in $(bench_plotted); do scripts/bench plot $$f docs/bench || exit 1; done
	$(Q)scripts/bench report $(bench_results) >$(BUILD)/benchmarks.md && mv $(BUILD)/benchmarks.md docs/benchmarks.md

# ---- the rest ----------------------------------------------------------------------------------
# The two commands of the README install packages first; make must look at pkg-config and at the
# kernels only after that, so they start it again, with as many jobs as there are CPUs if nobody said
# how many.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

setup:
	@scripts/setup

demo: setup
ifeq ($(VM),no)
	@$(MAKE) $(jobs) all && scripts/demo --here
else
	@$(MAKE) $(jobs) tools bpf modules && scripts/demo
endif

# TESTS="FILE..." runs some of them.
test: setup
	@$(MAKE) $(jobs) tools bpf modules unit-tests bpf-tests vm-tests fuzzers
	@$(MAKE) run-tests

TESTS ?= $(sort $(wildcard selftests/vm/*.sh)) $(sort $(unit_bin)) $(sort $(bpft_bin)) \
	 $(sort $(wildcard selftests/cli/*.sh))

run-tests:
	@selftests/run $(patsubst %,--vm %,$(KERNELS)) $(filter selftests/vm/%,$(TESTS)) \
		--here $(filter-out selftests/vm/%,$(TESTS))

# The module on kernels that look for faults, under each model of preemption: Debian's own can check what
# their slabs and pages hold, so that writing past the end, or to what was freed, is found. DEBUG_KERNEL=6.1-debug
# is one with KASAN, lockdep and more, which is built first: see scripts/kernel --help.
DEBUG_KERNEL ?= $(KERNELS)
PREEMPT ?= full voluntary none
debug_args := $(if $(filter %-debug,$(DEBUG_KERNEL)),,slub_debug=FZP page_poison=1 kfence.sample_interval=1)
debug_tests := $(sort $(wildcard selftests/vm/module*.sh)) selftests/debug/faults.sh

.PHONY: test-debug test-cycles
test-debug: setup
	@$(MAKE) $(jobs) tools bpf modules vm-tests KERNELS="$(DEBUG_KERNEL)"
	$(Q)failed=; for p in $(PREEMPT); do echo "preempt=$$p"; \
		selftests/run $(patsubst %,--vm %,$(DEBUG_KERNEL)) --append "preempt=$$p $(debug_args)" $(debug_tests) || failed=1; done; \
	selftests/run $(patsubst %,--vm %,$(DEBUG_KERNEL)) selftests/debug/failslab.sh selftests/debug/signed.sh || failed=1; [ ! "$$failed" ]

# The module comes and goes a thousand times under traffic: half an hour.
test-cycles: setup
	@$(MAKE) $(jobs) tools modules vm-tests
	@selftests/run $(patsubst %,--vm %,$(KERNELS)) selftests/debug/cycles.sh

install: tools
	install -Dm755 $(FAIRLEAD) $(DESTDIR)$(PREFIX)/sbin/fairlead
	install -dm755 $(DESTDIR)$(PREFIX)/share/fairlead
	cp -r --no-preserve=ownership sysctl/. $(DESTDIR)$(PREFIX)/share/fairlead/
	for m in $(man_src); do install -Dm644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit 1; done
	install -Dm644 tools/completion/fairlead.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fairlead
	install -Dm644 tools/completion/_fairlead $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_fairlead
	for u in $(wildcard tools/systemd/*); do install -dm755 $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		sed 's|/usr/sbin/|$(PREFIX)/sbin/|' $$u >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/} || exit 1; done
	install -dm755 $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|' tools/udev/60-fairlead.rules >$(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-fairlead.rules
	for ko in $(wildcard $(BUILD)/module/*/fairlead.ko); do r=$$(basename $$(dirname $$ko)); \
		install -Dm644 $$ko $(DESTDIR)/lib/modules/$$r/updates/fairlead.ko || exit 1; \
		[ -n "$(DESTDIR)" ] || [ ! -e /lib/modules/$$r/modules.order ] || depmod $$r; done

# The module's source for dkms(8), which builds it again for each kernel that comes.
dkms_dir = $(DESTDIR)/usr/src/fairlead-$(VERSION)
install-dkms:
	install -dm755 $(dkms_dir)/uapi
	install -m644 module/*.[ch] module/Kbuild $(dkms_dir)/
	install -m644 module/uapi/* $(dkms_dir)/uapi/
	sed 's/@VERSION@/$(VERSION)/' module/dkms.conf >$(dkms_dir)/dkms.conf

clean:
	$(Q)rm -rf $(BUILD)

help:
	@printf '%s\n' \
	'make                     tool, BPF programs, and the module for the running kernel (or the lab'"'"'s)' \
	'make demo                the main job, for real: a three-node mesh in a VM; VM=no runs it right here' \
	'make test                all tests, on this kernel and in VMs with $(strip $(KERNELS)); TESTS="FILE..." runs some' \
	'make test-debug          the module on kernels that check what memory holds, in each preemption model; PREEMPT=full' \
	'make test-cycles         the module loaded and unloaded 1,000 times under traffic' \
	'make check               formatting, sparse, clang-tidy, shellcheck, man pages' \
	'make bench               what encryption costs, in a VM that counts instructions; BENCH=quick, KERNEL=6.1' \
	'make bench-curves        the same as TCP streams, peers and lanes grow in number' \
	'make bench-compare BASE=<git ref>   what moved since then, beyond the noise' \
	'make bench-mesh          what a mesh of 100 to 10000 nodes costs, beside wg-quick; MESH_SIZES="100 1000"' \
	'make bench-tune          what setting 120 kernel parameters costs, beside sysctl, systemd-sysctl and TuneD' \
	'make bench-report        docs/benchmarks.md out of docs/bench/*.json' \
	'make tools|bpf           one part' \
	'make module KDIR=...     the module for one kernel, into $(notdir $(BUILD))/module/<release>/' \
	'make modules             the module for every kernel of the lab ($(strip $(KERNELS)))' \
	'make module-sign KEY=... CERT=...   sign the modules that were built' \
	'make install-dkms DESTDIR=...       the module as a package for dkms' \
	'make install DESTDIR=... PREFIX=...' \
	'make setup               install the packages that all of this needs' \
	'make format | clean | help' \
	'' \
	'V=1 shows commands; BUILD=DIR builds elsewhere; FAIRLEAD_CACHE=DIR holds kernels ($(FAIRLEAD_CACHE))'
