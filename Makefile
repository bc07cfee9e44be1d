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
PYTHON  ?= python3

empty :=
space := $(empty) $(empty)
comma := ,
ifdef SANITIZE
B          = build/$(subst $(comma),-,$(SANITIZE))
MODE_FLAGS = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
else ifdef COVERAGE
B          = build/coverage
MODE_FLAGS = --coverage -O0
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
              $(shell pkg-config --cflags $(PKGS_FULL) 2>/dev/null) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(MODE_FLAGS) $(LDFLAGS)
LIBS_SMALL  = $(shell pkg-config --libs $(PKGS_SMALL) 2>/dev/null) -lpthread -lm
LIBS_FULL   = $(shell pkg-config --libs $(PKGS_FULL) 2>/dev/null) -lpthread -lm

# What the four programs that the runner calls link: neither libcurl nor OpenSSL nor libxml2.
SMALL_SRC  = $(wildcard executor/base/*.c) \
             $(addprefix executor/,job.c dispatch.c hostconfig.c script.c joblog.c schemas.c)
FULL_SRC   = executor/environment.c $(wildcard executor/engine/*.c drivers/*.c drivers/aws/*.c)
MAINS      = config prepare run cleanup drive
obj        = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))
SMALL_OBJ  = $(call obj,$(SMALL_SRC))
FULL_OBJ   = $(call obj,$(FULL_SRC))
PROGRAMS   = $(B)/bin/berth $(addprefix $(B)/libexec/berth/,$(MAINS))
UNIT_TESTS = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_HELP  = $(call obj,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))

.PHONY: all
all: $(PROGRAMS)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The schemas are compiled in, so that a program and its schema cannot differ.
$(B)/obj/executor/schemas.o: $(wildcard config/*.schema.json)

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
$(B)/bin/berth: $(B)/obj/executor/berth.o

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(UNIT_HELP) $(B)/libberth.a $(B)/libberth-small.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(UNIT_HELP) $(B)/libberth.a $(B)/libberth-small.a $(LIBS_FULL) -lcmocka

.PHONY: shapes
shapes:
	$(PYTHON) drivers/aws/shapes.py

.PHONY: clean
clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
