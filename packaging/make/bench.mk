# Benchmarks: ratios in one run, median and spread.

## make bench           the core's costs, and a real Postfix alone and behind the proxy (about 10 minutes, as root)
.PHONY: bench
bench: all $(PLANTS) $(BENCHES)
	@for b in $(BENCHES); do $$b || exit 1; done
	@tests/bench/wakeup.py
	@tests/bench/refusals
	@SERVERS=postfix FRONTS=alone,proxy CASES=0.5x,1x,2x,10x,step OUT=$(BUILD)/bench tests/bench/overload/run

## make bench-overload  every server, front and case of tests/bench/overload (hours; SERVERS= FRONTS= CASES= SEEDS= choose)
.PHONY: bench-overload
bench-overload: all $(PLANTS)
	tests/bench/overload/run
