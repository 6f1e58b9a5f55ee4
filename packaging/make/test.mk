# Tests, checks, benchmarks.

## sudo make test       every suite that this machine can run
.PHONY: test
test: deps-test
	@$(MAKE) --no-print-directory -j$$(nproc) all tests
	@tests/run all

.PHONY: tests
tests: $(TESTS) $(PLANTS)

## make check           the quick part: unit, codec, simulation, layers, format
.PHONY: check
check: all tests
	@BUILD=$(BUILD) tests/run quick

.PHONY: check-layers check-format lint
check-layers: $(LIB)
	@BUILD=$(BUILD) tests/check-layers
check-format:
	@git ls-files '*.c' '*.h' | grep -v -E '^tests/fixtures/' | xargs clang-format --dry-run --Werror
lint:
	@git ls-files 'daemon/*.c' 'tools/*.c' | xargs cppcheck -q --enable=warning,portability --inline-suppr --error-exitcode=1 -Idaemon
