# Builds build/tocsin, and for every src/<room>/*_test.c a program build/test/<room>/<name>_test.
#
# One library holds all rooms; main() stands alone, so that tests link the same objects that ship.
# VARIANT=asan|tsan|fuzz puts an instrumented build of everything into build/<variant>/ beside the plain one.

VARIANT ?=
OUT := build$(if $(VARIANT),/$(VARIANT))
CC ?= gcc
PACKAGES := yaml-0.1 libpcre2-8 libmicrohttpd libcurl sqlite3 libzstd zlib libsodium nettle hogweed gmp libxxhash libseccomp libmaxminddb libsystemd libarchive snappy
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -Werror
OPTIMISE := -O2 -g -fno-omit-frame-pointer -fno-plt
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE

# gcc sees truncation that cannot happen once sanitizers have rewritten the code.
ifneq ($(filter asan tsan,$(VARIANT)),)
WARNINGS += -Wno-format-truncation
endif
ifeq ($(VARIANT),asan)
OPTIMISE := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
HARDEN := -fPIE
endif
ifeq ($(VARIANT),tsan)
OPTIMISE := -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread
HARDEN := -fPIE
endif
ifeq ($(VARIANT),fuzz)
CC := clang
OPTIMISE := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
HARDEN := -fPIE
endif

CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -Isrc $(WARNINGS) $(OPTIMISE) $(HARDEN) -pthread \
	$(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := $(shell pkg-config --libs $(PACKAGES)) -lresolv -lcrypt -lm

SOURCES := $(filter-out src/app/main.c %_test.c %_fuzz.c,$(sort $(wildcard src/*/*.c src/*/*/*.c)))
TESTS := $(sort $(wildcard src/*/*_test.c src/*/*/*_test.c test/*/*_test.c))
FUZZERS := $(sort $(wildcard src/*/*_fuzz.c src/*/*/*_fuzz.c))
OBJECTS := $(SOURCES:%.c=$(OUT)/obj/%.o) $(OUT)/obj/embedded.o
TEST_PROGRAMS := $(TESTS:%.c=$(OUT)/test/%)
FUZZ_PROGRAMS := $(FUZZERS:%.c=$(OUT)/fuzz/%)
# What the binary carries: the packs, the pipelines, the page. A list file makes a removed file rebuild, too.
EMBEDDED := $(sort $(shell find packs pipelines profiles web -type f 2>/dev/null))

all: $(OUT)/tocsin

$(OUT)/tocsin: $(OUT)/obj/src/app/main.o $(OUT)/libtocsin.a
	@mkdir -p $(@D)
	$(CC) $(OPTIMISE) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(OUT)/libtocsin.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(OUT)/embedded.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(EMBEDDED) >$@.new
	@cmp -s $@.new $@ 2>/dev/null && rm -f $@.new || mv $@.new $@

$(OUT)/embedded.c: $(OUT)/embedded.list tools/embed.sh $(EMBEDDED)
	sh tools/embed.sh $< >$@

$(OUT)/obj/embedded.o: $(OUT)/embedded.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Wno-overlength-strings -c -o $@ $<

$(OUT)/test/%: %.c $(OUT)/libtocsin.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) -o $@ $< $(OUT)/libtocsin.a -lcmocka $(LIBS)

$(OUT)/fuzz/%: %.c $(OUT)/libtocsin.a
	@mkdir -p $(@D)
	$(CC) $(subst fuzzer-no-link,fuzzer,$(CFLAGS_ALL)) -MMD -MP $(LDFLAGS_ALL) -o $@ $< $(OUT)/libtocsin.a $(LIBS)

$(OUT)/bench/%: bench/%.c bench/bench.h $(OUT)/libtocsin.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(OUT)/libtocsin.a $(LIBS)

tests: $(TEST_PROGRAMS)
fuzzers: $(FUZZ_PROGRAMS)
list-tests:
	@printf '%s\n' $(TEST_PROGRAMS)
list-fuzzers:
	@printf '%s\n' $(FUZZ_PROGRAMS)

clean:
	rm -rf build

FORCE:
.PHONY: all tests fuzzers list-tests list-fuzzers clean FORCE
.SECONDARY:

-include $(shell find $(OUT)/obj $(OUT)/test $(OUT)/fuzz -name '*.d' 2>/dev/null)
