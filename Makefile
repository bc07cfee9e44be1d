# berth: GNU make, in git's manner. `make help` lists the targets.
#
# Knobs:
#   SANITIZE=address,undefined   build with sanitizers, under build/<SANITIZE>
#   COVERAGE=1                   build for gcov, under build/coverage
#   CC=clang                     another compiler
#   PREFIX=/usr/local DESTDIR=   where `make install` puts things
#   V=1                          show the commands

CC       = gcc
PREFIX  ?= /usr/local
DESTDIR ?=
# The interpreter that has tests/requirements.txt; tests/deps finds or makes it.
PYTHON   = $(shell cat build/python 2>/dev/null || echo python3)
# The unit tests ask botocore through `python3`.
export PATH := $(CURDIR)/build/venv/bin:$(PATH)

empty :=
space := $(empty) $(empty)
comma := ,
ifdef SANITIZE
B          = build/$(subst $(comma),-,$(SANITIZE))
# Reports name lines: -g1 has them, and takes a fifth less time to build than -g.
MODE_FLAGS = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1
else ifdef COVERAGE
B          = build/coverage
MODE_FLAGS = --coverage -fprofile-update=atomic -O0 -g1
else
B          = build
MODE_FLAGS = -O2 -D_FORTIFY_SOURCE=2
endif

ifndef V
Q = @
say = @printf '  %-7s %s\n'
else
say = @:
endif

PKGS_SMALL = libuv libcjson
PKGS_FULL  = libuv libcjson libcurl libcrypto libxml-2.0
WARN   = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
         -Wpointer-arith -Wwrite-strings
HARDEN = -fstack-protector-strong -fPIE
ALL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE -I. -I$(B)/include $(WARN) $(HARDEN) -g -fno-common $(MODE_FLAGS) \
              $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(MODE_FLAGS) $(LDFLAGS)
LIBS_SMALL  = $(PKG_SMALL) -lpthread -lm
LIBS_FULL   = $(PKG_FULL) -lpthread -lm
# Asked for when they are needed first, and then once: `deps` may have to install pkg-config before.
PKG_CFLAGS  = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS_FULL) 2>/dev/null))$(PKG_CFLAGS)
PKG_SMALL   = $(eval PKG_SMALL := $(shell pkg-config --libs $(PKGS_SMALL) 2>/dev/null))$(PKG_SMALL)
PKG_FULL    = $(eval PKG_FULL := $(shell pkg-config --libs $(PKGS_FULL) 2>/dev/null))$(PKG_FULL)
# For programs that live for a test: gold takes a quarter of the time, and there are many of them. With
# clang's sanitizers it warns of each of their symbols; lld takes less than a third there.
QUICK_LD_OF = $(if $(shell command -v ld.$(1)),-fuse-ld=$(1))
QUICK_LD   := $(if $(filter gcc,$(CC)),$(call QUICK_LD_OF,gold),$(if $(filter clang,$(CC)),$(call QUICK_LD_OF,lld)))

# What the four programs that the runner calls link: neither libcurl nor OpenSSL nor libxml2.
SMALL_SRC  = $(wildcard executor/base/*.c) \
             $(addprefix executor/,job.c dispatch.c hostconfig.c exitcode.c script.c joblog.c \
               drivecall.c usage.c checkout.c jobuser.c account.c claim.c wipe.c keyring.c \
               sandbox.c guard.c)
FULL_SRC   = $(addprefix executor/,environment.c check.c cli.c deploy.c destroy.c errand.c \
               artifact.c artifact_page.c artifact_summary.c artifact_graph.c artifact_timeline.c \
               iampolicy.c lock.c outputs.c grafanawork.c watch.c toolwork.c capture.c status.c console.c gitlab.c adopt.c fleet.c list.c sweep.c \
               doctor.c doctor_runner.c doctor_host.c doctor_user.c doctor_bench.c doctor_tools.c doctor_cache.c \
               doctor_aws.c) \
             $(wildcard executor/engine/*.c drivers/*.c drivers/aws/*.c)
MAINS      = config prepare run cleanup drive
obj        = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))
SMALL_OBJ  = $(call obj,$(SMALL_SRC))
FULL_OBJ   = $(call obj,$(FULL_SRC))
PROGRAMS   = $(B)/bin/berth $(addprefix $(B)/libexec/berth/,$(MAINS))
UNIT_TESTS = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_HELP  = $(call obj,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))

.PHONY: all
all: $(PROGRAMS)

# Other flags or another compiler: everything anew.
FLAGS = $(CC) $(ALL_CFLAGS) $(UNIT_FLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) $(OWN_FLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/tests/unit/%.o: OWN_FLAGS = $(UNIT_FLAGS)

# The schemas are compiled in, so that a program and its schema cannot differ.
$(B)/obj/executor/base/schemas.o: $(wildcard config/*.schema.json)

# Likewise the page that a job's report is put into.
$(B)/obj/executor/artifact_page.o: executor/report.html

$(B)/libberth-small.a: $(SMALL_OBJ)
$(B)/libberth.a: $(FULL_OBJ)
$(B)/%.a:
	@mkdir -p $(@D)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

define small_program
$(B)/libexec/berth/$(1): $(B)/obj/executor/$(1).o $(B)/libberth-small.a
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS_SMALL)
endef
$(foreach p,config prepare run cleanup,$(eval $(call small_program,$(p))))

$(B)/libexec/berth/drive $(B)/bin/berth: $(B)/%: $(B)/libberth.a $(B)/libberth-small.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libberth.a $(B)/libberth-small.a $(LIBS_FULL)
$(B)/libexec/berth/drive: $(B)/obj/executor/drive.o
$(B)/bin/berth: $(call obj,executor/berth.c executor/command*.c)

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(UNIT_HELP) $(B)/libberth.a $(B)/libberth-small.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) $(QUICK_LD) -o $@ $< $(UNIT_HELP) $(B)/libberth.a $(B)/libberth-small.a $(LIBS_FULL) -lcmocka

# --- What the code is made of ---------------------------------------------------------------------

.PHONY: deps shapes man format lint check-headers check-man
deps:
	@tests/deps

shapes: deps
	$(PYTHON) drivers/aws/shapes.py

# The manual pages, of what programs and schemas say.
man: all
	$(PYTHON) docs/man/pages.py

C_FILES = $(shell git ls-files '*.[ch]')
format:
	clang-format -i $(C_FILES)

lint: check-headers check-man
	@clang-format --dry-run -Werror $(C_FILES) && echo "format: $(words $(C_FILES)) files"
	@$(PYTHON) tests/lint/arrows.py
	@$(PYTHON) tests/lint/banned.py
	@$(PYTHON) tests/lint/refusals.py
	@$(PYTHON) tests/lint/messages.py
	@$(PYTHON) drivers/aws/shapes.py --check

check-man: all
	@$(PYTHON) tests/lint/man.py $(B)

# Each header compiles alone: first in the file of its name, where that is compiled, or else by itself.
HEADERS = $(shell git ls-files '*.h')
FIRST   = $(shell grep -m1 '^.include' $(filter %.c,$(C_FILES)) | sed -n 's|^\(.*\)\.c:.include "\1\.h"$$|\1.h|p')
check-headers:
	@printf '%s\n' $(filter-out $(FIRST),$(HEADERS)) | xargs -P "$$(nproc)" -I '{}' \
	    $(CC) $(ALL_CFLAGS) -x c -fsyntax-only -include '{}' /dev/null
	@echo "headers: $(words $(HEADERS)) compile alone"

# --- Tests ----------------------------------------------------------------------------------------

.PHONY: check check-unit check-sanitize check-thread check-valgrind check-clang check-python \
        check-coverage unit unit-programs
PYTEST = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -q -p no:cacheprovider
# Where jobs' directories are made in no time; it is memory, so only what failed is kept there.
PYTEST_QUICK = TMPDIR=$$(tests/quick-directory) $(PYTEST) -o tmp_path_retention_policy=failed

check: deps
	+@tests/check

unit-programs: $(UNIT_TESTS)
# Runs every unit test program of this build, each bounded in time.
unit: $(UNIT_TESTS)
	@tests/unit/run $(if $(RUN_UNDER),--under "$(RUN_UNDER)") $(UNIT_TESTS)

check-unit:
	@$(MAKE) --no-print-directory unit
# On clang's build for fuzzing, so that one tree less is compiled.
check-sanitize:
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) all unit
THREADED = apply await observe client replace together
check-thread:
	@$(MAKE) --no-print-directory SANITIZE=thread UNIT_TESTS='$(THREADED:%=build/thread/tests/unit/test_%)' unit
check-valgrind:
	@$(MAKE) --no-print-directory RUN_UNDER="valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9" unit
# Another compiler sees other things, and all of them before it optimizes: nothing of this is run.
# check-sanitize sees them, too; this is quicker.
check-clang:
	@$(MAKE) --no-print-directory CC=clang B=build/clang MODE_FLAGS='-O0 -g0' all
# pytest, as many at once as -j says: most of the time they wait.
.PHONY: check-endpoint check-runner check-e2e check-shares check-isolation coverage-build \
        coverage-unit coverage-report
check-python: check-endpoint check-runner check-e2e
check-endpoint:
	@$(PYTEST) tests/aws
check-runner: all
	@$(PYTEST_QUICK) tests/runner
# End to end, on a build for gcov, so that nothing has to run twice, by several processes that share
# the files of tests: each takes the next that none has begun (tests/e2e/share.py).
E2E    = tests/e2e --ignore=tests/e2e/isolation --ignore=tests/e2e/patience
SHARES = BERTH_SHARES=5
check-e2e: check-shares check-isolation
check-shares: coverage-build
	@$(SHARES) BERTH_BUILD=build/coverage $(PYTEST_QUICK) $(E2E)
# Not on that build: other users cannot write what gcov counts.
check-isolation: all
	@$(PYTEST) tests/e2e/isolation
# The end-to-end tests with jobs that may do what `berth iam-policy` prints, and nothing else; then, that
# none of it is there in vain: every action was needed by a call that no other statement allows (long).
# POLICY="-k ..." plays some of the tests. `tests/policy/needed --remove build/policy.log` then takes away
# each action and sees a test fail. test_policy.py is a sample of it.
POLICY_PLAY   = BERTH_POLICY=build/policy.log PYTHONPATH=tests/policy $(PYTEST_QUICK) -p held $(POLICY)
.PHONY: policy policy-shares policy-isolation
policy: deps all
	@rm -f build/policy.log
	@$(MAKE) --no-print-directory -j2 --output-sync=target -k policy-shares policy-isolation
	@TMPDIR=$$(tests/quick-directory) $(PYTHON) tests/policy/needed build/policy.log
policy-shares:
	@$(SHARES) $(POLICY_PLAY) $(E2E)
policy-isolation:
	@$(POLICY_PLAY) tests/e2e/isolation || [ $$? = 5 ] # POLICY may leave none of them
coverage-build:
	@$(MAKE) --no-print-directory COVERAGE=1 all
# Unit and end-to-end tests on a build for gcov; fails below 85 % of the lines.
check-coverage: coverage-unit coverage-report
coverage-unit:
	@$(MAKE) --no-print-directory COVERAGE=1 unit
coverage-report: check-e2e
	@gcovr --root . --gcov-ignore-parse-errors --object-directory build/coverage --filter executor/ --filter drivers/ \
	    --print-summary --fail-under-line 85 --output build/coverage.txt
	@tail -n 3 build/coverage.txt

# --- Fuzzing: tests/fuzz/fuzz_NAME.c is a target, tests/fuzz/corpus/NAME what it starts from ------

.PHONY: fuzz check-fuzz fuzz-programs
FUZZ_NAMES   = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS = 3600
TARGETS      = $(FUZZ_NAMES)
# No fuzz target looks at what the unit tests themselves do.
FUZZ_BUILD   = CC=clang B=build/fuzz \
               MODE_FLAGS='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1 \
                           -g1 -fno-omit-frame-pointer' UNIT_FLAGS='-fno-sanitize=fuzzer-no-link -O0'
FUZZ_HELP    = $(call obj,$(filter-out tests/fuzz/fuzz_%.c,$(wildcard tests/fuzz/*.c)))
$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o $(FUZZ_HELP) $(B)/libberth.a $(B)/libberth-small.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) $(QUICK_LD) -fsanitize=fuzzer -o $@ $< $(FUZZ_HELP) $(B)/libberth.a \
	    $(B)/libberth-small.a $(LIBS_FULL)
fuzz-programs: $(FUZZ_NAMES:%=$(B)/tests/fuzz/%)

# Long: each target for FUZZ_SECONDS, two at a time.
fuzz: deps
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) fuzz-programs
	@$(PYTHON) tests/fuzz/run --seconds $(FUZZ_SECONDS) $(TARGETS)
# Short: every input that is checked in, and a few seconds of new ones.
check-fuzz:
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) fuzz-programs
	@$(PYTHON) tests/fuzz/run --seconds 2 --ephemeral $(FUZZ_NAMES)

.PHONY: demo bench check-stage check-bench check-redact chaos chaos-cases chaos-patience check-chaos
# Everything that can go wrong, at every call (long); check-chaos is what 60 s allow of it. Beside it,
# what lasts for minutes by the clock, all of them waiting.
chaos: deps all
	@$(MAKE) --no-print-directory -j2 chaos-cases chaos-patience
chaos-cases:
	@$(PYTHON) tests/chaos/run
chaos-patience:
	@$(PYTEST_QUICK) tests/e2e/patience
check-chaos: all
	@$(PYTHON) tests/chaos/run --seconds 60 --least 6

demo: deps
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo/demo.py
bench: all check-redact
	@$(PYTHON) tests/bench/stage
	@$(PYTHON) tests/bench/deploy
	@$(PYTHON) tests/bench/destroy
$(B)/bench/redact: $(B)/obj/tests/bench/redact.o $(B)/libberth-small.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_SMALL)
check-redact: $(B)/bench/redact
	@$(PYTHON) tests/bench/redact
check-stage: all
	@$(PYTHON) tests/bench/stage
# The same limits as in `bench`, measured so that a slow or busy machine is within them as surely.
check-bench: all
	@$(PYTHON) tests/bench/deploy --latency-ms 100 --most-ms 1600 --runs 6
	@$(PYTHON) tests/bench/destroy
.PHONY: soak check-soak
# 1,000 jobs that leave things behind, cancelled and killed at random moments; SOAK="--seed N" for the same again.
soak: all
	@$(PYTHON) tests/soak/soak $(SOAK)
check-soak: all
	@$(PYTHON) tests/soak/soak --jobs 10

# Mistakes made on purpose, each of which must turn the test red that is named beside it. `make check`
# makes a few of them, others after every commit.
.PHONY: mutations check-mutations
mutations: deps all
	@$(PYTHON) tests/mutations/run
check-mutations: deps
	@$(PYTHON) tests/mutations/run --sample 4

# --- Installing -----------------------------------------------------------------------------------

.PHONY: install
MAN_PAGES = $(patsubst %.in,%,$(wildcard docs/man/*.in))
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/berth $(DESTDIR)$(PREFIX)/share/berth
	install -m 755 $(B)/bin/berth $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(addprefix $(B)/libexec/berth/,$(MAINS)) $(DESTDIR)$(PREFIX)/libexec/berth/
	install -m 644 config/*.schema.json config/berth.json config/config.toml config/gitlab-ci.yml $(DESTDIR)$(PREFIX)/share/berth/
	for page in $(MAN_PAGES); do \
	    install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 config/berth-sweep.timer $(DESTDIR)$(PREFIX)/lib/systemd/system/
	sed 's|^ExecStart=/usr/local/|ExecStart=$(PREFIX)/|' config/berth-sweep.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/berth-sweep.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/berth-sweep.service

.PHONY: clean help
clean:
	rm -rf build
help:
	@echo 'make              builds build/bin/berth and build/libexec/berth/*'
	@echo 'make deps         installs what is missing on Debian 12'
	@echo 'make demo         plays the whole pipeline of the example on a local AWS endpoint'
	@echo 'make check        lint, unit, sanitizer, end-to-end tests, coverage'
	@echo 'make bench        what a stage costs; how fast a deploy and a destroy are beside what AWS allows'
	@echo 'make chaos        whatever goes wrong, whenever: the next run ends right (long)'
	@echo 'make mutations    mistakes made on purpose, which the tests must notice'
	@echo 'make policy       all end-to-end tests within the printed IAM policy (long)'
	@echo 'make soak         1,000 jobs, killed and cancelled; nothing may be left'
	@echo 'make install      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make shapes       regenerates drivers/aws/shapes.inc from botocore'
	@echo 'make man          regenerates docs/man from the programs and schemas'
	@echo 'make format lint check-unit check-sanitize check-thread check-valgrind check-clang'
	@echo 'make fuzz         FUZZ_SECONDS=$(FUZZ_SECONDS) TARGETS="$(FUZZ_NAMES)"'
	@echo 'make check-python check-coverage check-fuzz check-chaos clean'

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
