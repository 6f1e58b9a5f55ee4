/* What every cmocka program needs, in the order in which cmocka wants it. */
#ifndef PENSTOCK_TESTS_CMOCKA_TEST_H
#define PENSTOCK_TESTS_CMOCKA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, tolerance) \
	assert_true((a) - (b) <= (tolerance) && (b) - (a) <= (tolerance))

#endif
