# The demonstration.

## sudo make run        (or make demo) build and start the whole thing on loopback; Ctrl-C stops it
.PHONY: run demo
demo: run
run:
	@if [ $$(id -u) -eq 0 ]; then $(MAKE) --no-print-directory deps; fi
	@mkdir -p build && echo "building, about a minute the first time (build/make.log)"
	@$(MAKE) --no-print-directory -j$$(nproc) all >build/make.log 2>&1 || { tail -20 build/make.log >&2; exit 1; }
	@exec packaging/demo $(BUILD)/bin
