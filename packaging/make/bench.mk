# Benchmarks: ratios in one run, median and spread.

## make bench           the core's costs, and a real Postfix alone and behind the proxy (about 8 minutes, as root)
.PHONY: bench
bench: all $(PLANTS) $(BENCHES)
	@for b in $(BENCHES); do $$b || exit 1; done
	@tests/bench/overload.py
