#include "cmocka_test.h"

#include "sensor/frozen.h"

static struct sample at(double seconds, double used, double bytes)
{
	struct sample s;

	sample_clear(&s, (uint64_t)(seconds * 1e6));
	sample_put(&s, SIGNAL_MEM_USED_RATIO, used, VIA_PROCFS);
	sample_put(&s, SIGNAL_MEM_AVAILABLE_BYTES, bytes, VIA_PROCFS);
	sample_put(&s, SIGNAL_CPU_STALL_RATIO, 1, VIA_PSI);
	return s;
}

static void frozen_and_pressing_is_left_out(void **state)
{
	struct frozen frozen = { 0 };
	enum signal which = SIGNAL__COUNT;
	struct sample s;
	unsigned told = 0;

	for (int i = 0; i <= 700; i++) {
		s = at(i, 0.97, 4096);
		told += frozen_step(&frozen, &s, &which);
		assert_int_equal(sample_has(&s, SIGNAL_MEM_USED_RATIO), i < 60);
		assert_int_equal(sample_has(&s, SIGNAL_MEM_AVAILABLE_BYTES), i < 60);
		assert_true(sample_has(&s, SIGNAL_CPU_STALL_RATIO));
	}
	assert_int_equal(told, 4); /* two signals, after a minute and ten minutes later */
	/* It moves: believed at once. */
	s = at(701, 0.971, 4000);
	assert_false(frozen_step(&frozen, &s, &which));
	assert_true(sample_has(&s, SIGNAL_MEM_USED_RATIO));
	assert_true(sample_has(&s, SIGNAL_MEM_AVAILABLE_BYTES));
}

static void what_moves_or_does_not_press_stays(void **state)
{
	struct frozen frozen = { 0 };
	enum signal which;
	struct sample s;

	for (int i = 0; i <= 300; i++) {
		s = at(i, 0.97 + i % 2 * 1e-9, 4096 + i % 2); /* a byte is enough */
		assert_false(frozen_step(&frozen, &s, &which));
		assert_true(sample_has(&s, SIGNAL_MEM_USED_RATIO));
	}
	for (int i = 301; i <= 600; i++) {
		s = at(i, 0.3, 1e9); /* an idle machine may stand still */
		assert_false(frozen_step(&frozen, &s, &which));
		assert_true(sample_has(&s, SIGNAL_MEM_AVAILABLE_BYTES));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(frozen_and_pressing_is_left_out),
					    cmocka_unit_test(what_moves_or_does_not_press_stays) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
