# SPDX-License-Identifier: Apache-2.0
# What a person types. CMake and Ninja do the work, in build/ and, instrumented, in build-asan/ and
# build-tsan/. `make help` lists the targets.

# Set on the command line, as in `make test-random SEEDS=50`:
CUDA_HOME ?= /usr/local/cuda# CUDA toolkit, 12.4 or newer: headers and nvcc
JOBS      ?= $(shell nproc)# compilers and tests at a time
SEEDS     ?= 1000# random programs that test-random runs
TESTS     ?=# more arguments for ctest, as in TESTS="-R Residency" or TESTS="-L quick"
SECONDS   ?=60# that fuzz runs, all targets together
TARGETS   ?=all# what a sanitizer build builds, as in TARGETS="engine_tests"

# Everything a build needs beside the CUDA toolkit; `make deps` installs what is missing.
PACKAGES = g++ cmake ninja-build pkg-config clang-format python3 binutils git \
           libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev libzstd-dev \
           libgtest-dev libgmock-dev libjs-chart.js
# Beside them, what the tests need: a browser, which looks at the page of `spillway trace report`.
TEST_PACKAGES = chromium
# And what `make fuzz` needs.
FUZZ_PACKAGES = clang libclang-rt-dev

export CUDA_HOME

BUILD = build
CONFIGURE = cmake -S . -G Ninja -DCUDA_HOME=$(CUDA_HOME)

.DEFAULT_GOAL := build
.PHONY: help build deps build-deps fuzz-deps demo test test-asan test-tsan test-random test-faults soak fuzz bench-launch \
        bench-alloc bench-live bench-mover bench-policy bench-trace bench-sim bench-start gpu-check format check docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: build-deps $(BUILD)/build.ninja  ## build everything into build/ (the default)
	cmake --build $(BUILD) -j $(JOBS)

# Ninja itself runs CMake again when a CMakeLists.txt changes.
$(BUILD)/build.ninja:
	$(CONFIGURE) -B $(BUILD)
build-asan/build.ninja:
	$(CONFIGURE) -B build-asan -DSPILLWAY_SANITIZE=address
build-tsan/build.ninja:
	$(CONFIGURE) -B build-tsan -DSPILLWAY_SANITIZE=thread
# A precompiled header serves one set of flags, and each target here has its own.
build-fuzz/build.ninja:
	$(CONFIGURE) -B build-fuzz -DSPILLWAY_SANITIZE=fuzzer -DCMAKE_C_COMPILER=clang \
	  -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON

deps:  ## install the Debian packages that are missing, and check the CUDA toolkit
	@tools/deps $(PACKAGES) $(TEST_PACKAGES)

build-deps:
	@tools/deps $(PACKAGES)

demo: build  ## train a network 2.5 times larger than the device: once in full, once refused, once with Spillway
	@tests/programs/demo.sh $(BUILD)

test: deps build  ## run every test, on the simulated GPU; ends with "N passed, N failed"
	@tools/test $(BUILD) -j $(JOBS) $(TESTS)

test-asan: deps build-asan/build.ninja  ## the same tests under the address and undefined-behaviour sanitizers
	cmake --build build-asan -j $(JOBS) --target $(TARGETS)
	@tools/test build-asan -j $(JOBS) $(TESTS)

test-tsan: deps build-tsan/build.ninja  ## the same tests under the thread sanitizer
	cmake --build build-tsan -j $(JOBS) --target $(TARGETS)
	@tools/test build-tsan -j $(JOBS) $(TESTS)

test-random: build  ## run SEEDS random programs with and without Spillway and compare all bytes
	@$(BUILD)/tests/random_runner --seeds $(SEEDS)

test-faults: build  ## let every driver call of the library fail once while a job runs
	@$(BUILD)/tests/fault_runner --jobs $(JOBS)

soak: build  ## half an hour of virtual time with a device limit that changes; at most 10 real minutes
	@$(BUILD)/tests/soak_runner

fuzz: fuzz-deps build-fuzz/build.ninja  ## feed the readers of traces and options any bytes for SECONDS, with clang's libFuzzer
	cmake --build build-fuzz -j $(JOBS) --target fuzzers
	@python3 -B tests/fuzz/fuzz.py build-fuzz --seconds $(SECONDS)

fuzz-deps:
	@tools/deps $(PACKAGES) $(FUZZ_PACKAGES)

bench-launch: build  ## what Spillway adds to one kernel launch, in nanoseconds
	@$(BUILD)/tests/bench_launch

bench-alloc: build  ## a cached pair of allocation and free, in nanoseconds, beside the driver's own
	@$(BUILD)/tests/bench_alloc

bench-live: build  ## whole jobs with too little memory against lower bounds, on the simulated GPU in virtual time
	@$(BUILD)/tests/bench_live

bench-mover: build  ## use of the link, of the budget, and stalls, on the simulated GPU in virtual time
	@$(BUILD)/tests/bench_mover

bench-policy: build  ## policies against lower bounds on models in training, in modelled time
	@$(BUILD)/tests/bench_policy

bench-sim: build  ## PTX instructions a second of the simulated GPU
	@$(BUILD)/tests/sim_ptx_bench

bench-trace: build  ## what tracing costs: nanoseconds and bytes an event, and how fast it is read
	@$(BUILD)/tests/bench_trace

bench-start: build  ## what preloading Spillway adds to the start of programs without CUDA
	@python3 -B tests/integration/ways_in/start_cost.py $(BUILD)/libspillway.so

gpu-check: build  ## on a machine with an NVIDIA GPU: demo, random programs and probe; results in results/
	@python3 -B tests/gpu/gpu_check.py $(BUILD)

format:  ## rewrite the sources with clang-format
	git ls-files -z '*.cpp' '*.h' '*.c' '*.cu' | xargs -0 clang-format -i

check: build  ## layers, format, tables, exports, documentation: what a test run does not see
	@tools/check/check.py $(BUILD)

docs: build  ## rewrite the table of options in README.md
	@tools/check/check.py $(BUILD) --write-docs

clean:  ## remove all build directories
	rm -rf $(BUILD) build-asan build-tsan build-fuzz
