# Benchmarks: ratios in one run, median and spread.

## make bench           the core's costs, the cost of a refusal, verdicts a second of each front, and a real Postfix alone and behind the proxy (about 20 minutes, as root)
.PHONY: bench
bench: all $(TEST_PROGRAMS) $(BENCHES)
	@for b in $(BENCHES); do $$b || exit 1; done
	@tests/bench/wakeup.py
	@ROUNDS=$(or $(ROUNDS),3) tests/bench/refusals
	@tests/bench/proxied
	@ROUNDS=$(or $(ROUNDS),3) tests/bench/fronts
	@FRESH=1 MINUTES=8 SECONDS_EACH=6 SCAN=0 SERVERS=postfix FRONTS=alone,proxy CASES=0.5x,1x,2x,10x,step OUT=$(BUILD)/bench tests/bench/overload/run

## make bench-overload  real servers under every load and fault of tests/bench/overload, most important first, for MINUTES (60); goes on where
##                      it ended; table, plots and JSON under build/bench-overload (SERVERS= FRONTS= CASES= SEEDS= choose, FRESH=1 begins again)
.PHONY: bench-overload
bench-overload: all $(TEST_PROGRAMS)
	tests/bench/overload/run
